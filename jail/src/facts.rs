//! What this host is, as far as walls depend on it or an operator should know it.

use std::fs;

/// What lets only privileged processes make user namespaces here, if anything does.
pub(crate) fn privileged_namespaces() -> Option<&'static str> {
    [
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    ]
    .into_iter()
    .find(|(path, restricts)| fs::read_to_string(path).is_ok_and(|is| is.trim() == *restricts))
    .map(|(path, _)| path)
}
