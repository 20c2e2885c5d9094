//! x
fn main() { println!("{}", serde_json::to_string(&portcullis_lab::tokens::Issuer::demo().jwks()).unwrap()); }
