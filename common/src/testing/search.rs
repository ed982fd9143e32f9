//! Everything that is stored, to be searched for what must not be.

use super::{Queue, Role, TestDatabase};
use crate::db::Database;

/// Every row of both databases and every value in Redis, one after the other.
///
/// # Panics
/// Where something can't be read.
pub async fn stored(database: &TestDatabase, queue: &Queue) -> Vec<u8> {
    let mut all = Vec::new();
    let databases = [
        database.connect(Role::Owner),
        database.connect_keys(Role::Owner),
    ];
    for database in databases {
        rows(&database, &mut all).await;
    }
    let found = all.len();
    keys(queue, &mut all).await;
    assert!(found > 0 && all.len() > found, "both are there");
    all
}

/// Whether a text stands there, as it is or in hex, as PostgreSQL writes bytes.
#[must_use]
pub fn holds(stored: &[u8], text: &str) -> bool {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    [text, &hex]
        .iter()
        .any(|text| stored.windows(text.len()).any(|at| at == text.as_bytes()))
}

async fn rows(database: &Database, all: &mut Vec<u8>) {
    let client = database.client().await.unwrap();
    let tables = "select c.oid::regclass::text from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind = 'r'";
    for table in client.query(tables, &[]).await.unwrap() {
        let table: &str = table.get(0);
        let sql = format!("select convert_to(t::text, 'UTF8') from {table} t");
        for row in client.query(&sql, &[]).await.unwrap() {
            all.extend(row.get::<_, Vec<u8>>(0));
        }
    }
}

/// By type: what DUMP gives may be compressed.
async fn keys(queue: &Queue, all: &mut Vec<u8>) {
    let client = &queue.client;
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let mut keys = redis::cmd("KEYS");
    keys.arg(format!("{}*", queue.partition.prefix));
    let keys: Vec<Vec<u8>> = keys.query_async(&mut redis).await.unwrap();
    for key in keys {
        let mut kind = redis::cmd("TYPE");
        let kind: String = kind.arg(&key).query_async(&mut redis).await.unwrap();
        let (word, rest): (&str, &[&str]) = match kind.as_str() {
            "string" => ("GET", &[]),
            "hash" => ("HGETALL", &[]),
            "stream" => ("XRANGE", &["-", "+"]),
            "list" => ("LRANGE", &["0", "-1"]),
            "set" => ("SMEMBERS", &[]),
            "zset" => ("ZRANGE", &["0", "-1"]),
            // It has expired meanwhile.
            "none" => continue,
            other => panic!("a {other} is not looked into"),
        };
        let mut read = redis::cmd(word);
        let read = read.arg(&key).arg(rest);
        let value: redis::Value = read.query_async(&mut redis).await.unwrap();
        all.extend(key);
        bytes(&value, all);
    }
}

fn bytes(value: &redis::Value, all: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(text) => all.extend(text),
        redis::Value::SimpleString(text) => all.extend(text.as_bytes()),
        redis::Value::Array(values) => values.iter().for_each(|value| bytes(value, all)),
        redis::Value::Map(pairs) => pairs.iter().for_each(|(name, value)| {
            bytes(name, all);
            bytes(value, all);
        }),
        redis::Value::Nil | redis::Value::Int(_) => {}
        other => panic!("{other:?} is not looked into"),
    }
}
