//! The schema of both databases, as SQL files that only go forward.
//!
//! A file that was released never changes: `common::db::migrate` keeps the
//! checksum of what it applied and refuses another. Every column is commented and
//! every state is a CHECK; a test looks for what is missing.

/// One numbered file.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    pub number: i32,
    pub name: &'static str,
    pub sql: &'static str,
}

macro_rules! files {
    ($folder:literal: $($number:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../", $folder, "/", $name, ".sql")),
        }),+]
    };
}

/// The main database: everything but keys.
pub const MAIN: &[Migration] = files!("main":
    1 "0001_accounts",
    2 "0002_functions",
    3 "0003_executions",
    4 "0004_queue",
    5 "0005_announce",
    6 "0006_rights",
    7 "0007_open_rows",
    8 "0008_single_use",
    9 "0009_packages",
    10 "0010_secrets",
    11 "0011_network",
    12 "0012_needed_rights",
);

/// The keys database: wrapped data keys, and nothing else.
pub const KEYS: &[Migration] = files!("keys": 1 "0001_data_keys", 2 "0002_needed_rights");

/// Makes the services' roles where they are absent; repeated at every run.
pub const ROLES: &str = include_str!("../roles/roles.sql");
/// Who may connect to the main database; repeated at every run.
pub const MAIN_ACCESS: &str = include_str!("../roles/main_access.sql");
/// Who may connect to the keys database; repeated at every run.
pub const KEYS_ACCESS: &str = include_str!("../roles/keys_access.sql");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_one_and_match_the_file_names() {
        for set in [MAIN, KEYS] {
            for (at, file) in set.iter().enumerate() {
                assert_eq!(
                    usize::try_from(file.number).unwrap(),
                    at + 1,
                    "{}",
                    file.name
                );
                assert!(file.name.starts_with(&format!("{:04}_", file.number)));
            }
        }
    }
}
