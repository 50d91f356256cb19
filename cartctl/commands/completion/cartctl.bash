# bash completion for cartctl; load it with: source <(cartctl completion bash)
_cartctl() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = "files:" ]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("${line#value:}")
    fi
  done < <("${COMP_WORDS[0]}" __complete bash "${COMP_WORDBREAKS-}" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -F _cartctl cartctl
