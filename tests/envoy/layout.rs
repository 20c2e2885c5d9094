//! That the list by which the module is laid out is about this module: an old one makes it slower, and nothing else would tell.

use portcullis_lab::workspace;
use std::fs;

#[test]
fn most_functions_of_the_list_are_there() {
    let list = fs::read_to_string(workspace().join("envoy/order.txt")).unwrap();
    let module = fs::read(workspace().join("target/portcullis.debug.wasm")).unwrap();
    let module = String::from_utf8_lossy(&module);
    let (found, gone): (Vec<&str>, Vec<&str>) = list.lines().partition(|name| module.contains(*name));
    assert!(
        found.len() >= 100 && gone.len() * 3 <= found.len(),
        "run `make order`; {} are gone: {gone:#?}",
        gone.len()
    );
}
