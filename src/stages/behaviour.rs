//! What do several requests amount to?
//!
//! One faulty request says little; what an actor does over minutes says more. Watched are, in fixed records of the shared memory:
//!
//! | check | counted under | what is counted |
//! |---|---|---|
//! | [`SCANNING`] | source network, subject | paths answered with a fault; checks that refused |
//! | [`STUFFING_SOURCE`] | source network | accounts whose login failed |
//! | [`STUFFING_ACCOUNT`] | account | source networks whose login failed |
//! | [`ROTATION_FINGERPRINT`] | fingerprint of the program | identities that were refused |
//! | [`ROTATION_USER_AGENT`] | source network, subject | user agents that were refused |
//! | [`CHAIN`] | source network, subject | the stages of an attack that findings belong to ([`chain`]) |
//!
//! All but the last are one thing: *different* things that went wrong, and their share of the requests ([`crate::memory::tally`]). Both have to
//! be large. A chain needs a share as well, though a smaller one. A crawler meets dead links, the users of an office behind one address mistype passwords, and some of the millions
//! who have the same browser reach a limit: different things go wrong, in a small share of the requests. A program that is
//! broken fails always, at the same thing. Only who tries out what there is fails often *and* at different things.
//!
//! **When.** A request's findings come from what was there before it; what it adds is written when it is over and its status
//! known. Where nothing has gone wrong, nothing is written, so what was good before the first fault is not in the share.
//!
//! **No feedback.** What is refused for its risk, or by a check of this stage, does not count as refused: a suspicion is not to
//! feed on itself. A login counts as failed only if the service said so. What callers get refused for every day (a token that
//! has expired) does not count ([`chain::CHECKS`]).
//!
//! **Beside reputation.** [`super::limits`] weighs the share of bad requests of an actor, whatever they were, to give it more or
//! less of a limit. Here it is told what they were. Both know actors by the same names.
//!
//! Bounds: at most nine records of 40 bytes a request, at no debt, so they are the first to go where room is short; what goes
//! is forgotten, and a change that meets too many others is not made. Findings are soft, and the family's cap keeps them from
//! denying alone. Accounts, paths and names are kept as bits of keyed hashes.
//!
//! Not covered: attackers who spread over sources *and* programs *and* accounts; who does less than the threshold in a window;
//! who hides in many good requests from the same address; gRPC, whose faults are no statuses of HTTP.

pub mod chain;
mod fingerprint;
mod lesson;

pub use self::chain::Stage;
pub use self::lesson::Lesson;

use self::chain::Chain;
use self::lesson::Change;
use crate::config::behaviour::{Behaviour, Login};
use crate::finding::{Check, Class, Family, Finding, Findings, Outcome, Score, Weight};
use crate::memory::lately::Lately;
use crate::memory::record::Record;
use crate::memory::tally::{half, Tally};
use crate::memory::Hashed;
use crate::stages::limits::{fields, Ground, Scene};
use std::cell::RefCell;

/// Many things are tried out.
pub static SCANNING: Check = soft(
    "behaviour.scanning",
    "scanning",
    0.25,
    "The source or subject has met faults on more different paths than `behaviour.scanning.paths`, or refusals by more different checks than `.checks`.",
);

/// One source, many accounts.
pub static STUFFING_SOURCE: Check = soft(
    "behaviour.stuffing.source",
    "stuffing_source",
    0.25,
    "Logins from the source have failed for `behaviour.stuffing.accounts` different accounts.",
);

/// One account, many sources.
pub static STUFFING_ACCOUNT: Check = soft(
    "behaviour.stuffing.account",
    "stuffing_account",
    0.2,
    "Logins to the account have failed from `behaviour.stuffing.sources` different sources.",
);

/// One program, many names.
pub static ROTATION_FINGERPRINT: Check = soft(
    "behaviour.rotation.fingerprint",
    "rotation_fingerprint",
    0.2,
    "Programs of the same fingerprint were refused under `behaviour.rotation.identities` different sources, subjects or user agents.",
);

/// One source or subject, many programs by name.
pub static ROTATION_USER_AGENT: Check = soft(
    "behaviour.rotation.user_agent",
    "rotation_user_agent",
    0.2,
    "The source or subject was refused under `behaviour.rotation.user_agents` different user agents.",
);

/// Several stages of an attack.
pub static CHAIN: Check = soft(
    "behaviour.chain",
    "attack_chain",
    0.2,
    "Findings of the source or subject belong to several stages of an attack; 0.1 more for each beyond the second, at most 0.4.",
);

const fn soft(id: &'static str, code: &'static str, score: f64, means: &'static str) -> Check {
    let weight = Weight::Score(Score::constant(score));
    let (family, class) = (Family::Behaviour, Class::Forbidden);
    Check {
        id,
        family,
        code,
        class,
        weight,
        tunable: true,
        bearer_error: None,
        means: crate::finding::documented(means),
    }
}

/// The score of a chain by the stages beyond the first.
const CHAIN_SCORES: [Score; 4] =
    [Score::constant(0.1), Score::constant(0.2), Score::constant(0.3), Score::constant(0.4)];

/// What a worker has read lately of programs, each of which may be a million callers'.
pub type Programs = Lately<Record, 64>;

/// What a request is watched under, from when it is recognised until it is over.
#[derive(Debug, Default)]
pub struct Watch {
    entries: Vec<Entry>,
    chain: Option<Chain>,
}

/// One record that a request belongs to.
#[derive(Debug)]
struct Entry {
    place: Hashed,
    what: What,
    /// What is counted if it goes wrong, as a hash.
    thing: u64,
    /// Whether nothing had gone wrong before.
    is_clean: bool,
}

/// What is counted in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Paths,
    Accounts { failed_statuses: Vec<u16> },
    Sources { failed_statuses: Vec<u16> },
    Identities,
    UserAgents,
    Chain,
}

impl What {
    /// Whether the request went wrong in the sense of a record. `None` if it says nothing about that.
    fn went_wrong(&self, outcome: &Outcome<'_>, settings: &Behaviour) -> Option<bool> {
        let status = outcome.status?;
        match self {
            // Who may not, or not so often, has not met a fault, and has not been served either.
            Self::Paths => {
                let faulty = settings.scanning.statuses.contains(&status);
                ((outcome.passed || is_refused(outcome)) && (faulty || status < 400)).then_some(faulty)
            }
            // The service's busy and broken moments say nothing about passwords.
            Self::Accounts { failed_statuses } | Self::Sources { failed_statuses } => {
                let failed = failed_statuses.contains(&status);
                (outcome.passed && (failed || status < 400)).then_some(failed)
            }
            Self::Identities | Self::UserAgents => Some(is_refused(outcome) || (outcome.passed && status == 429)),
            Self::Chain => None,
        }
    }
}

/// Whether a check by itself kept the request back, or would have: not the risk, not this stage, and nothing that
/// happens to honest callers every day.
fn is_refused(outcome: &Outcome<'_>) -> bool {
    outcome.findings.iter().any(|(check, weight)| {
        let counts = check.family == Family::Limits || Stage::of(check).is_some();
        // Nor what the service gave away: its callers are served.
        let is_about_request = !matches!(check.family, Family::Behaviour | Family::Exposure);
        counts && is_about_request && matches!(weight, Weight::Challenge | Weight::Refuse)
    })
}

/// Notes what a request is watched under: before its body is there what the head tells, afterwards the rest.
pub fn recognise(scene: &Scene<'_>, watch: &mut Watch) {
    if let Some(settings) = &scene.config.behaviour {
        recognise_actors(scene, settings, watch);
    }
}

#[inline(never)]
fn recognise_actors(scene: &Scene<'_>, settings: &Behaviour, watch: &mut Watch) {
    let source = scene.request.source.as_ref();
    // All whom Envoy does not know would be one actor.
    let network = source.map(|source| fields::source(Some(source), settings.prefix_v4, settings.prefix_v6));
    let login =
        settings.login(&scene.route.name).filter(|login| login.account.needs_body() == scene.body.is_some());
    if scene.body.is_none() {
        recognise_head(scene, network.as_deref(), settings, watch);
    }
    if let Some(login) = login {
        recognise_login(scene, network.as_deref(), login, settings, watch);
    }
}

fn recognise_head(scene: &Scene<'_>, network: Option<&[u8]>, settings: &Behaviour, watch: &mut Watch) {
    let path = match &scene.request.path {
        Ok(path) => path.normal.as_bytes(),
        Err(_) => scene.request.headers.first(":path").unwrap_or_default(),
    };
    let path = scene.memory.digest("path", path);
    let agent = scene.request.headers.first("user-agent").unwrap_or_default();
    let agent_hash = scene.memory.digest("agent", agent);
    let subject = fields::subject(scene);
    let owners = &settings.owners;
    // Those of one actor stand together: they share a bucket.
    for actor in [network, subject.as_deref()].into_iter().flatten() {
        let names = [&owners.paths, &owners.user_agents, &owners.chain].map(String::as_str);
        let [paths, user_agents, chain] = scene.memory.locate_all(actor, names);
        watch.add(What::Paths, paths, path);
        watch.add(What::UserAgents, user_agents, agent_hash);
        watch.add(What::Chain, chain, 0);
    }
    let program = fingerprint::fingerprint(&scene.request.headers, &settings.rotation.headers);
    let identity = [network.unwrap_or_default(), subject.as_deref().unwrap_or_default(), agent].join(&0);
    let place = scene.memory.locate(&program, &owners.identities);
    watch.add(What::Identities, place, scene.memory.digest("identity", &identity));
}

fn recognise_login(
    scene: &Scene<'_>,
    network: Option<&[u8]>,
    login: &Login,
    settings: &Behaviour,
    watch: &mut Watch,
) {
    // Who mistypes the case of a name has not tried another account.
    let account = fields::text(&login.account, scene).map(|name| name.trim_ascii().to_ascii_lowercase());
    let (statuses, owners) = (|| login.failed_statuses.clone(), &settings.owners);
    if let Some(network) = network {
        let name = scene.memory.digest("account", account.as_deref().unwrap_or_default());
        let place = scene.memory.locate(network, &owners.accounts);
        watch.add(What::Accounts { failed_statuses: statuses() }, place, name);
    }
    if let (Some(account), Some(network)) = (account, network) {
        let network = scene.memory.digest("network", network);
        let place = scene.memory.locate(&account, &owners.sources);
        watch.add(What::Sources { failed_statuses: statuses() }, place, network);
    }
}

/// Adds what those that a request belongs to have done before.
#[inline(never)]
pub fn check(ground: &Ground<'_>, programs: &RefCell<Programs>, watch: &mut Watch, findings: &mut Findings) {
    let Some(settings) = &ground.config.behaviour else { return };
    let records = known(ground, programs, watch);
    let half = half(ground.now, settings.window);
    let (mut suspected, mut refused_by, mut is_astray) = (Chain::default(), 0, false);
    for (entry, record) in watch.entries.iter_mut().zip(records) {
        if entry.what != What::Chain {
            let tally = Tally::of(&record, half);
            entry.is_clean = tally.is_clean();
            judge(&entry.what, &tally, settings, findings);
            is_astray |= tally.goes_wrong(settings.chain.findings.into(), settings.chain.share);
            continue;
        }
        let chain = Chain::of(&record, half);
        watch.chain = Some(watch.chain.map_or(chain, |other| other.joined(chain)));
        // Thousands behind one address have findings of every kind, in a small share of their requests. The tallies before
        // are those of the same actor.
        if std::mem::take(&mut is_astray) {
            refused_by = chain.checks().max(refused_by);
            suspected = suspected.joined(chain);
        }
    }
    if refused_by >= settings.scanning.checks && !findings.has(&SCANNING) {
        findings.add(Finding::new(&SCANNING, format!("refused by about {refused_by} different checks")));
    }
    judge_chain(suspected, settings, findings);
}

/// The records of all entries. That of the program is not read with each request.
fn known(
    ground: &Ground<'_>,
    programs: &RefCell<Programs>,
    watch: &Watch,
) -> impl Iterator<Item = Record> + use<> {
    let mut programs = programs.borrow_mut();
    let program = watch.entries.iter().enumerate().find(|(_, entry)| entry.what == What::Identities);
    let program = program.map(|(at, entry)| (at, entry.place.fingerprint()));
    let lately = program.and_then(|(at, number)| Some((at, programs.get(number, ground.now)?)));
    let is_known = |at: usize| lately.is_some_and(|(own, _)| own == at);
    let entries = watch.entries.iter().enumerate().filter(|(at, _)| !is_known(*at));
    let places: Vec<Hashed> = entries.map(|(_, entry)| entry.place).collect();
    let records = ground.memory.read(ground.shared, &places, ground.now);
    if let (None, Some((at, number))) = (lately, program) {
        records.get(at).map(|record| programs.put(number, ground.now, *record));
    }
    let (count, mut read) = (watch.entries.len(), records.into_iter());
    (0..count).map_while(move |at| match lately {
        Some((own, record)) if own == at => Some(record),
        _ => read.next(),
    })
}

fn judge(what: &What, tally: &Tally, settings: &Behaviour, findings: &mut Findings) {
    let Behaviour { scanning, stuffing, rotation, .. } = settings;
    let (check, threshold, share, things) = match what {
        What::Paths => (&SCANNING, scanning.paths, scanning.share, "paths with a faulty answer"),
        What::Accounts { .. } => {
            (&STUFFING_SOURCE, stuffing.accounts, stuffing.share, "accounts with a failed login")
        }
        What::Sources { .. } => {
            (&STUFFING_ACCOUNT, stuffing.sources, stuffing.share, "sources with a failed login")
        }
        What::Identities => (&ROTATION_FINGERPRINT, rotation.identities, rotation.share, "identities refused"),
        What::UserAgents => (&ROTATION_USER_AGENT, rotation.user_agents, rotation.share, "user agents refused"),
        What::Chain => return,
    };
    if tally.reaches(threshold, share) && !findings.has(check) {
        let (bad, all) = tally.requests();
        let reason = format!("about {} {things}, {bad} of {all} requests", tally.distinct());
        findings.add(Finding::new(check, reason));
    }
}

fn judge_chain(chain: Chain, settings: &Behaviour, findings: &mut Findings) {
    let seen: Vec<&str> = chain
        .stages()
        .filter(|(_, count)| *count >= settings.chain.findings)
        .map(|(stage, _)| stage.name())
        .collect();
    if seen.len() < usize::from(settings.chain.stages) {
        return;
    }
    let beyond = seen.len().saturating_sub(1).min(CHAIN_SCORES.len().saturating_sub(1));
    let weight = CHAIN_SCORES.get(beyond).map_or(CHAIN.weight, |score| Weight::Score(*score));
    findings.add(Finding::new(&CHAIN, seen.join(", ")).weighing(weight));
}

impl Watch {
    fn add(&mut self, what: What, place: Hashed, thing: u64) {
        self.entries.push(Entry { place, what, thing, is_clean: true });
    }

    /// Whether the status of the answer is to be known.
    pub fn wants_status(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Of each stage of an attack how many findings the source or the subject has had lately, before this request; none
    /// without findings.
    pub fn chain(&self) -> impl Iterator<Item = (&'static str, u8)> {
        self.chain
            .into_iter()
            .flat_map(|chain| chain.stages().map(|(stage, count)| (stage.name(), count)).collect::<Vec<_>>())
    }

    /// What is to be remembered of the request. Call it once.
    pub fn close<'a>(
        &mut self,
        outcome: &Outcome<'_>,
        programs: &RefCell<Programs>,
        ground: &Ground<'a>,
    ) -> Option<Lesson<'a>> {
        let settings = ground.config.behaviour.as_ref()?;
        let staged: Vec<(&'static Check, Weight, u64)> = outcome
            .findings
            .iter()
            .filter(|(check, weight)| *weight != Weight::Note && Stage::of(check).is_some())
            .map(|(check, weight)| (*check, *weight, ground.memory.digest("check", check.id.as_bytes())))
            .collect();
        let (mut places, mut changes) = (Vec::new(), Vec::new());
        for entry in std::mem::take(&mut self.entries) {
            let change = match entry.what {
                What::Chain if staged.is_empty() => continue,
                What::Chain => Change::Chain,
                ref what => match what.went_wrong(outcome, settings) {
                    None => continue,
                    Some(false) if entry.is_clean => continue,
                    Some(false) => Change::Tally(None),
                    Some(true) => Change::Tally(Some(entry.thing)),
                },
            };
            programs.borrow_mut().forget(entry.place.fingerprint());
            places.push(entry.place);
            changes.push(change);
        }
        Some(Lesson { places, changes, staged, settings, now: ground.now })
    }
}

#[cfg(test)]
mod tests;
