//! Every route of the api is on its list, and the list is what knocks on every door.

use super::tree::{assert_none, files};

/// What adds a route behind the list's back.
const ADDING: &[&str] = &[".route(", ".route_service(", ".nest(", ".nest_service("];

/// The list itself, and where MCP, whose paths are one pattern, is put beside it.
fn may_add_routes(path: &str) -> bool {
    [
        "api/src/routes.rs",
        "api/src/server.rs",
        "api/src/serve.rs",
        "api/src/mcp.rs",
    ]
    .contains(&path)
        || path.starts_with("api/src/mcp/")
}

#[test]
fn a_route_is_added_in_one_place() {
    let broken: Vec<String> = files(|path| path.starts_with("api/src/") && path.ends_with(".rs"))
        .iter()
        .filter(|source| !may_add_routes(&source.path))
        .filter(|source| ADDING.iter().any(|word| source.text.contains(word)))
        .map(|source| source.path.clone())
        .collect();
    assert_none(
        "routes that are not on the list of api/src/routes.rs",
        &broken,
    );
}

#[test]
fn every_noun_is_on_the_list() {
    let list = files(|path| path == "api/src/routes.rs").remove(0).text;
    let broken: Vec<String> = list
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .filter(|noun| !list.contains(&format!("{noun}::routes()")))
        .map(str::to_owned)
        .collect();
    assert_none("nouns whose routes are not on the list", &broken);
}

#[test]
fn the_unauthorised_test_walks_the_list() {
    let tests = files(|path| path.starts_with("api/tests/it/") && path.contains("unauthorised"));
    assert!(
        tests
            .iter()
            .any(|source| source.text.contains("routes::all()")),
        "no test of the api walks routes::all() without the right key"
    );
}
