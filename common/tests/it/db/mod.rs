//! All SQL, against the migrated database and as the services' own roles.

mod statements;
