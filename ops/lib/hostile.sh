# shellcheck shell=bash
# The hostile programs and the table of what became of them. Sourced after say.sh.

hostile_groups=(escape exhaustion leakage protocol persistence proxy)

# run_hostile <directory>: each program's test leaves its line there when all of it holds.
run_hostile() {
  PATCHBAY_HOSTILE_LINES=$1 PATCHBAY_NSJAIL=$nsjail PATCHBAY_ROOTFS=$rootfs \
    cargo nextest run -p jail --test it -E 'test(/^hostile::/)' </dev/null
}

# print_hostile <directory>: the table, group by group; fails where a program has no line.
print_hostile() {
  local group program file missing=0
  for group in "${hostile_groups[@]}"; do
    printf '\n%s\n' "${group^^}"
    hostile_rows $'program\ttries\tmeets\tnext call, same tenant\tanother tenant\tlet in by'
    for file in "jail/tests/hostile/$group"/*.py; do
      program=$(basename "$file" .py)
      if [ -f "$1/$group.$program" ]; then
        hostile_rows "$(cut -f2- "$1/$group.$program")"
      else
        missing=$((missing + 1))
        printf '%s: NO LINE: its test failed, or it has none\n' "$program"
      fi
    done
  done
  [ "$missing" = 0 ] || fail "$missing programs have no line"
}

# A row of cells between tabs, each wrapped to its column.
hostile_rows() {
  awk -F '\t' -v widths='20 50 46 13 9 30' '
    BEGIN { columns = split(widths, width, " ") }
    {
      height = 0
      for (c = 1; c <= columns; c++) {
        words = split($c, word, " ")
        line = 1
        cell[c, 1] = ""
        for (w = 1; w <= words; w++) {
          if (cell[c, line] != "" && length(cell[c, line] " " word[w]) > width[c]) cell[c, ++line] = ""
          cell[c, line] = cell[c, line] (cell[c, line] == "" ? "" : " ") word[w]
        }
        lines[c] = line
        if (line > height) height = line
      }
      for (l = 1; l <= height; l++) {
        row = ""
        for (c = 1; c <= columns; c++) row = row sprintf("%-" width[c] "s  ", l <= lines[c] ? cell[c, l] : "")
        sub(/ +$/, "", row)
        print row
      }
    }' <<<"$1"
}
