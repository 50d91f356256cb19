#compdef cartctl
# zsh completion for cartctl; save it as _cartctl in a directory of $fpath, or: source <(cartctl completion zsh)
_cartctl() {
  local line files=0
  local -a values
  for line in ${(f)"$("${words[1]}" __complete zsh "${(@Q)words[1,CURRENT]}" 2>/dev/null)"}; do
    if [[ $line == files: ]]; then files=1; else values+=("${line#value:}"); fi
  done
  (( ${#values} )) && _describe -t values value values
  (( files )) && _files
}
if [[ ${funcstack[1]} == _cartctl ]]; then _cartctl "$@"; else compdef _cartctl cartctl; fi
