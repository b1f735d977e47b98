#compdef nlapi

# Nothing of an API is evaluated: its lines become an array.
_nlapi() {
    local -a lines values shown open open_shown
    local line value
    lines=("${(@f)$(_TYPER_COMPLETE_ARGS="${(j: :)words[1,$CURRENT]}" _NLAPI_COMPLETE=complete_lines nlapi)}")
    for line in "${lines[@]}"; do
        [[ -n $line ]] || continue
        value="${line%%$'\t'*}"
        if [[ $value == *= ]]; then
            open+=("$value"); open_shown+=("${line/$'\t'/  }")
        else
            values+=("$value"); shown+=("${line/$'\t'/  }")
        fi
    done
    if (( ${#open} + ${#values} == 0 )); then
        _files
        return
    fi
    (( ${#open} )) && compadd -S '' -l -d open_shown -- "${open[@]}"
    (( ${#values} )) && compadd -l -d shown -- "${values[@]}"
    return 0
}

if [[ "$funcstack[1]" == "_nlapi" ]]; then
    _nlapi
else
    compdef _nlapi nlapi
fi
