//! How well payloads are told from harmless values.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "runs on a developer's machine and may stop with a message"
)]

#[path = "detection/rows.rs"]
mod rows;
#[path = "detection/train.rs"]
mod train;

use anyhow::Result;
use portcullis::stages::inspect::inspector::Inspector;
use portcullis::stages::inspect::lexer::Vocabulary;
use portcullis::stages::inspect::model::Model;
use std::collections::BTreeMap;
use std::path::Path;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let data = args.first().filter(|a| !a.starts_with("--")).cloned().unwrap_or("../shared/data".into());
    let rows: Vec<_> = rows::read(&Path::new(&data).join("payloads.jsonl"))?.into_iter().filter(|r| r.label != "ambiguous").collect();
    let vocabulary = Vocabulary::built_in();
    let (train, held): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_for_training());
    let plain = Inspector::built_in().unwrap();
    let mut stats: BTreeMap<(String, String), [u32; 2]> = BTreeMap::new();
    for row in &rows {
        let decoded = portcullis::request::decode::decode(&row.payload);
        let mut seen = std::collections::BTreeSet::new();
        plain.phrases(&decoded.text, |owner, phrase| { seen.insert((owner.to_owned(), format!("{} {:?}", phrase.name, phrase.elements))); });
        for key in seen { stats.entry(key).or_default()[usize::from(row.is_attack())] += 1; }
    }
    for ((owner, name), [benign, attack]) in stats { println!("P {benign:4} {attack:5} {owner} {}", name.chars().take(110).collect::<String>()); }
    let fitted = train::fit(&train, &plain);
    println!("{} weights", fitted.weights.len());
    let text = train::write(&fitted, &[], &vocabulary);
    std::fs::write("/tmp/model.txt", &text)?;
    let model = Model::parse(&text, &vocabulary);
    let inspector = Inspector::new(Vocabulary::built_in(), model).unwrap();
    for (name, set) in [("train", &train), ("held", &held)] {
        let mut table: BTreeMap<(bool, &str), (u32, u32)> = BTreeMap::new();
        let (mut bad, mut n) = ([0, 0], [0, 0]);
        for row in set {
            let seen = inspector.inspect(&row.payload);
            let wrong = seen.is_some() != row.is_attack();
            let cell = table.entry((row.is_attack(), &row.class)).or_default();
            cell.0 += 1;
            cell.1 += u32::from(wrong);
            bad[usize::from(row.is_attack())] += u32::from(wrong);
            n[usize::from(row.is_attack())] += 1;
            if wrong {
                let why = seen.map_or(String::new(), |s| format!("{:.1}/{:.1} {:?}", s.odds, s.model_odds, s.phrase));
                println!("   {name} {} {why} {:?}", row.class, row.payload.chars().take(110).collect::<String>());
            }
        }
        println!("{name}: fp {}/{} fn {}/{}", bad[0], n[0], bad[1], n[1]);
        for ((attack, class), (n, wrong)) in table { if wrong > 0 { println!("  {attack} {class}: {wrong}/{n}"); } }
    }
    Ok(())
}
