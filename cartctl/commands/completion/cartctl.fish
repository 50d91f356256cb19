# fish completion for cartctl; save it as ~/.config/fish/completions/cartctl.fish
function __cartctl_complete
    for line in (cartctl __complete fish (commandline -opc) (commandline -ct | string collect -a) 2>/dev/null)
        if test "$line" = files:
            __fish_complete_path (commandline -ct)
        else
            string replace -r '^value:' '' -- $line
        end
    end
end
complete -c cartctl -f -a '(__cartctl_complete)'
