# No space follows `limit=`. mapfile, and not a list of an unquoted substitution: a completion with `*` is no pattern.
_nlapi_completion() {
    local lines
    lines=$(IFS=$'\n'; COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" _NLAPI_COMPLETE=complete_bash "$1")
    COMPREPLY=()
    [[ -n $lines ]] && mapfile -t COMPREPLY <<< "$lines"
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2> /dev/null
    return 0
}

complete -o default -o nosort -F _nlapi_completion nlapi
