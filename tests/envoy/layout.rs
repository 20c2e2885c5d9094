//! That the profile by which the code of the module is laid out is about this module: an old one makes it slower, and nothing else would tell.

use portcullis_lab::workspace;
use portcullis_layout::{functions, Profile};
use std::fs;

#[test]
fn most_functions_of_the_profile_are_as_it_knows_them() {
    let profile: Profile = fs::read_to_string(workspace().join("envoy/profile.txt")).unwrap().parse().unwrap();
    let module = functions(&fs::read(workspace().join("target/portcullis.debug.wasm")).unwrap()).unwrap();
    let hinted = module.iter().filter(|function| profile.hints(function).is_some()).count();
    let known = profile.functions().len();
    assert!(
        known >= 100 && hinted * 4 >= known * 3,
        "run `make layout`: of {known} functions {hinted} are as they were"
    );
}
