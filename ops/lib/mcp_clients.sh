# shellcheck shell=bash
# The official MCP clients, real peers of the tests: each in a venv of its own.
# Sourced after say.sh, packages.sh and tools.sh.

# install_mcp_clients <tools directory>: sets `mcp_python` and `mcp_legacy_python`.
install_mcp_clients() {
  local venv
  install_wheels "$1" mcp "pip needs to reach PyPI; see what it says above"
  mcp_python=$venv/bin/python
  install_wheels "$1" mcp-legacy "pip needs to reach PyPI; see what it says above"
  mcp_legacy_python=$venv/bin/python
}

# What tests read, to be sourced or exported.
mcp_exports() {
  printf "export PATCHBAY_MCP_PYTHON='%s'\n" "$mcp_python"
  printf "export PATCHBAY_MCP_LEGACY_PYTHON='%s'\n" "$mcp_legacy_python"
}
