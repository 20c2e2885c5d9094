//! How well payloads are told from harmless values: `make eval`, and `make train` for the model's weights.
//!
//! Every row of the data becomes the request that would carry it and goes through the whole engine, with nothing configured but
//! `inspect`. A row counts as detected if its request is challenged or denied. Printed are the confusion of every class and place,
//! what is wrongly judged (with `--wrong`), and microseconds for requests of several shapes, natively.
//!
//! The shipped weights have seen these rows. So a second figure is of weights that are fitted to four fifths of the rows, here
//! and now, and judged by the last fifth: what to expect of rows that nobody has seen. Both must not fall below what was reached
//! before ([`FLOORS`]). The data is no part of this project; without it nothing is measured, and that is said.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "runs on a developer's machine and may stop with a message"
)]

#[path = "detection/cost.rs"]
mod cost;
#[path = "detection/rows.rs"]
mod rows;
#[path = "detection/train.rs"]
mod train;

use anyhow::{ensure, Result};
use portcullis::config::Config;
use portcullis::engine::waiting::Wait;
use portcullis::engine::{Body, Engine, Ports, Step};
use portcullis::stages::inspect::inspector::Inspector;
use portcullis::stages::inspect::lexer::Vocabulary;
use portcullis::stages::inspect::model::Model;
use portcullis::stages::CHECKS;
use portcullis::time::Millis;
use rows::{Row, Sent};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Shares in percent that have been reached: attacks detected and harmless requests passed, with the shipped weights on all rows,
/// and with weights that have not seen the rows they judge.
const FLOORS: [(&str, f64, f64); 2] = [("shipped", 99.5, 99.8), ("unseen", 98.7, 99.2)];

const MODEL: &str = "src/stages/inspect/model.txt";
/// The same as the filter has it.
const PACKED: &str = "src/stages/inspect/model.bin";

/// What became of a request.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Outcome {
    Allow,
    Challenge,
    Deny,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let data = arguments.iter().find(|argument| !argument.starts_with("--"));
    let data = PathBuf::from(data.map_or("../shared/data", String::as_str));
    if !data.join("payloads.jsonl").exists() {
        println!("skipped: there is no payloads.jsonl in {}; nothing was measured", data.display());
        return Ok(());
    }
    let rows: Vec<Row> =
        rows::read(&data.join("payloads.jsonl"))?.into_iter().filter(|row| row.label != "ambiguous").collect();
    if has("--train") {
        return write_model(&rows);
    }
    let engine = engine();
    let mut reached = vec![report(&engine, &rows, has("--wrong"))];
    reached.push(unseen(&rows));
    others(&engine, &data)?;
    cost::print(&engine, &engine_of(br#"{"version": 1, "mode": "enforce"}"#));
    cost::print_hostile(&Inspector::built_in([7; 16]).map_err(anyhow::Error::msg)?)?;
    for ((name, detected, passed), floor) in reached.into_iter().zip(FLOORS) {
        println!("{name}: {detected:.2} % of attacks detected, {passed:.2} % of harmless requests passed");
        ensure!(
            detected >= floor.1 && passed >= floor.2,
            "{name}: below {} % and {} %, which were reached before",
            floor.1,
            floor.2
        );
    }
    Ok(())
}

fn engine() -> Engine {
    engine_of(br#"{"version": 1, "mode": "enforce", "inspect": {}, "request": {"body_read_max": "1MiB"}}"#)
}

fn engine_of(document: &[u8]) -> Engine {
    Engine::new(Config::parse(document, CHECKS).unwrap(), Ports::in_process([7; 16]))
}

/// Sends a request through the engine.
pub fn outcome(engine: &Engine, sent: &Sent) -> Outcome {
    let now = Millis::from_secs(1_800_000_000);
    let step = engine.open(sent.request(), now, || "id".to_owned()).judge(!sent.body.is_empty());
    let step: Step<Body> = match step {
        Step::Wait(Wait::Body(held)) => held.judge(sent.body.as_bytes(), now),
        other => other,
    };
    match step {
        Step::Forward(_permit, _) => Outcome::Allow,
        Step::Refuse(reply, _) if reply.status == 401 => Outcome::Challenge,
        _ => Outcome::Deny,
    }
}

/// Prints the confusion, and returns the shares that were judged rightly.
fn report(engine: &Engine, rows: &[Row], shows_wrong: bool) -> (&'static str, f64, f64) {
    let mut table: BTreeMap<(bool, &str, &str), [u32; 3]> = BTreeMap::new();
    for row in rows {
        let outcome = outcome(engine, &row.sent());
        for key in [(row.is_attack(), "class", row.class.as_str()), (row.is_attack(), "place", row.place.as_str())]
        {
            table.entry(key).or_default()[outcome as usize] += 1;
        }
        if shows_wrong && row.is_attack() == (outcome == Outcome::Allow) {
            println!(
                "{:?} {} {} {:?}",
                outcome,
                row.class,
                row.place,
                row.payload.chars().take(120).collect::<String>()
            );
        }
    }
    println!("{:8} {:6} {:20} {:>7} {:>9} {:>7} {:>8}", "", "", "", "allow", "challenge", "deny", "right");
    for ((is_attack, kind, name), [allow, challenge, deny]) in &table {
        let all = f64::from(allow + challenge + deny);
        let right = if *is_attack { challenge + deny } else { *allow };
        let label = if *is_attack { "attack" } else { "harmless" };
        println!(
            "{label:8} {kind:6} {name:20} {allow:7} {challenge:9} {deny:7} {:7.2}%",
            100.0 * f64::from(right) / all
        );
    }
    let share = |is_attack: bool| {
        let of_kind = table.iter().filter(|((attack, kind, _), _)| *attack == is_attack && *kind == "class");
        let sums = of_kind
            .fold([0, 0], |[allow, all], (_, counts)| [allow + counts[0], all + counts.iter().sum::<u32>()]);
        let allowed = f64::from(sums[0]) / f64::from(sums[1]);
        100.0 * if is_attack { 1.0 - allowed } else { allowed }
    };
    ("shipped", share(true), share(false))
}

/// The shares that weights judge rightly which have not seen the rows.
fn unseen(rows: &[Row]) -> (&'static str, f64, f64) {
    let (seen, unseen): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_for_training());
    let vocabulary = Vocabulary::built_in();
    let fitted = train::fit(&seen, &Inspector::built_in([0; 16]).unwrap());
    let model = Model::parse(&train::write(&fitted, &[], &vocabulary), &vocabulary);
    let inspector = Inspector::new(vocabulary, model, [0; 16]).unwrap();
    let is_found = |row: &Row| train::values(row).iter().any(|value| inspector.inspect(value).is_some());
    let share = |is_attack: bool| {
        let of_kind: Vec<&&Row> = unseen.iter().filter(|row| row.is_attack() == is_attack).collect();
        100.0 * of_kind.iter().filter(|row| is_found(row) == is_attack).count() as f64 / of_kind.len() as f64
    };
    ("unseen", share(true), share(false))
}

/// Data that is reported apart: what nobody can call, whole requests, and how people's programs name themselves.
fn others(engine: &Engine, data: &Path) -> Result<()> {
    for name in ["ambiguous.jsonl", "requests_atrdf.jsonl", "user_agents.jsonl"] {
        let mut table: BTreeMap<(String, String), [u32; 3]> = BTreeMap::new();
        for mut row in rows::read(&data.join(name)).unwrap_or_default() {
            if name.starts_with("user_agents") {
                row.request = Some(Sent {
                    method: "GET".into(),
                    uri: "/".into(),
                    headers: vec![("user-agent".into(), row.payload.clone())],
                    body: String::new(),
                });
                row.class = String::new();
            }
            table.entry((row.label.clone(), row.class.clone())).or_default()
                [outcome(engine, &row.sent()) as usize] += 1;
        }
        for ((label, class), [allow, challenge, deny]) in table {
            println!("{name}: {label} {class}: {allow} allowed, {challenge} challenged, {deny} denied");
        }
    }
    Ok(())
}

/// Fits the weights to all rows and writes them, with what is known of how good they are.
fn write_model(rows: &[Row]) -> Result<()> {
    let (_, detected, passed) = unseen(rows);
    let (attacks, harmless): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_attack());
    let record = [
        "The weights of the model; see model.rs. Written by `make train`, the same on every run.".to_owned(),
        format!("Rows: {} attacks and {} harmless values of payloads.jsonl, whose README names sources and licences.", attacks.len(), harmless.len()),
        format!(
            "Fitted to four fifths of them (by a hash of the id), {detected:.2} % of the attacks and {passed:.2} % of the harmless values of the \
             last fifth are judged rightly; these weights are fitted to all."
        ),
        format!("Method: {}", train::METHOD),
    ];
    let vocabulary = Vocabulary::built_in();
    let rows: Vec<&Row> = rows.iter().collect();
    let fitted = train::fit(&rows, &Inspector::built_in([0; 16]).unwrap());
    let written = train::write(&fitted, &record, &vocabulary);
    std::fs::write(PACKED, Model::parse(&written, &vocabulary).pack())?;
    std::fs::write(MODEL, written)?;
    println!("{MODEL}: {} weights; unseen: {detected:.2} % detected, {passed:.2} % passed", fitted.weights.len());
    Ok(())
}
