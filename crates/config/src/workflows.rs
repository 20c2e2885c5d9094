//! The `workflows` section, validated: what is done in which order.
//!
//! A step may only come after steps that are written before it, so no workflow can wait for itself. What a step needs is kept as
//! a set of bits, one a step.

pub mod token;

use self::token::StepToken;
use super::keys::{part, Context, KeyPart};
use super::raw::{self, Document, Effect, Mode};
use super::rules::compiled_plain;
use super::rules::schema::IN_BODY;
use super::{check_name, each, score, ConfigError, Path};
use portcullis_base::expression::{Expression, Kinds};
use portcullis_base::finding::Weight;
use portcullis_base::time::Millis;

/// Workflows of one configuration at most.
const WORKFLOWS_MAX: usize = 64;

/// Steps of one workflow at most: an instance has a bit for each.
const STEPS_MAX: usize = 16;

/// Steps that are done on one route at most. Each may be a change of the shared memory.
const STEPS_ON_ROUTE_MAX: usize = 8;

/// Shortest and longest life of an instance.
const EXPIRES: (Millis, Millis) = (Millis::from_secs(2), Millis::from_secs(3 * 86_400));

/// What can name the actor of an instance, besides the forms of a field.
const ACTORS: [&str; 9] =
    ["session", "subject", "source", "client", "device", "claim:…", "header:…", "cookie:…", "expr:…"];

/// What is done in which order.
#[derive(Debug)]
pub struct Workflow {
    /// Its name in findings.
    pub name: String,
    /// Who has an instance of his own.
    pub per: KeyPart,
    /// How long an instance lives from its first step on.
    pub expires: Millis,
    /// Its steps, in the order written.
    pub steps: Vec<Step>,
    /// What says how far a client has come; `None` for the memory.
    pub token: Option<StepToken>,
    /// What its findings weigh, in place of what the checks say.
    pub weight: Option<Weight>,
    /// Whether it is judged without effect, whatever its route.
    pub monitor: bool,
    /// Whether its steps can be told only once the body is there.
    pub needs_body: bool,
    /// Whose records its instances are: those of another definition begin anew.
    pub owner: String,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Its name in findings.
    pub name: String,
    routes: Vec<String>,
    /// Which requests on its routes do it; all, if there is none.
    pub when: Option<Expression>,
    /// Its bit in a set of steps.
    pub bit: u16,
    /// The steps that have to be done before.
    pub after: u16,
    /// Shortest time since the last step.
    pub min_gap: Millis,
    /// Longest time since the last step.
    pub max_gap: Option<Millis>,
    /// Whether it may be done once only.
    pub once: bool,
    completes: Vec<(u16, u16)>,
}

impl Workflow {
    /// All workflows, in the order written. `routes` are the names that they may refer to.
    pub(super) fn all(document: &Document, routes: &[&str]) -> Result<Vec<Self>, ConfigError> {
        let written = &document.workflows;
        if written.len() > WORKFLOWS_MAX {
            let fault = format!("has {} workflows, at most {WORKFLOWS_MAX}", written.len());
            return Err(ConfigError::new("workflows", fault));
        }
        let bindings = document.identity.as_ref().map(|identity| identity.bindings.clone()).unwrap_or_default();
        let mut workflows: Vec<Self> = Vec::with_capacity(written.len());
        for (index, raw) in written.iter().enumerate() {
            let path = Path::entry_of("workflows", index);
            check_name(&raw.name, &path.member("name"))?;
            if workflows.iter().any(|other| other.name == raw.name) {
                return Err(ConfigError::new(path.member("name"), format!("`{}` is taken", raw.name)));
            }
            let workflow = Self::new(raw, &path, &document.routes, &bindings)?;
            let carrier = |own: &Self| own.token.as_ref().map(|token| token.carrier.clone());
            let own = carrier(&workflow);
            if let Some(other) = workflows.iter().find(|other| own.is_some() && carrier(other) == own) {
                let fault = format!("carries the state of `{}` already", other.name);
                return Err(ConfigError::new(path.member("token"), fault));
            }
            workflows.push(workflow);
        }
        for route in routes {
            let count = on_route(&workflows, route).len();
            if count > STEPS_ON_ROUTE_MAX {
                let fault = format!("{count} steps are done on `{route}`, at most {STEPS_ON_ROUTE_MAX}");
                return Err(ConfigError::new("workflows", fault));
            }
        }
        Ok(workflows)
    }

    fn new(
        written: &raw::Workflow,
        path: &Path<'_>,
        routes: &[raw::Route],
        bindings: &raw::Bindings,
    ) -> Result<Self, ConfigError> {
        let on: Vec<String> = written.steps.iter().flat_map(|step| step.routes.clone()).collect();
        let per = actor(&written.per, &path.member("per"), Context { bindings, on: &on, routes })?;
        if !(EXPIRES.0..=EXPIRES.1).contains(&written.expires.0) {
            return Err(ConfigError::new(path.member("expires"), "expected 2s to 3d"));
        }
        if written.steps.is_empty() || written.steps.len() > STEPS_MAX {
            let fault = format!("has {} steps, expected 1 to {STEPS_MAX}", written.steps.len());
            return Err(ConfigError::new(path.member("steps"), fault));
        }
        let mut steps: Vec<Step> = Vec::with_capacity(written.steps.len());
        for (index, raw) in written.steps.iter().enumerate() {
            let step = Step::new(raw, &steps, &path.entry("steps", index), routes)?;
            steps.push(step);
        }
        // Whoever changes what the bits mean begins with new records.
        let shape = format!("{per:?} {:?} {steps:?}", written.expires);
        let owner = format!("workflow.{}/{}", written.name, super::digest(shape.as_bytes()));
        Ok(Self {
            name: written.name.clone(),
            needs_body: per.needs_body() || steps.iter().any(Step::looks_into_body),
            per,
            expires: written.expires.0,
            steps,
            token: written.token.as_ref().map(|own| StepToken::new(own, &path.member("token"))).transpose()?,
            weight: weight(written.effect, written.score, path)?,
            monitor: written.mode == Some(Mode::Monitor),
            owner,
        })
    }

    /// The names of the steps in a set.
    pub fn names(&self, steps: u16) -> String {
        let names = self.steps.iter().filter(|step| step.bit & steps != 0).map(|step| format!("`{}`", step.name));
        names.collect::<Vec<_>>().join(", ")
    }

    /// Whether a step is remembered as one that may be seen once.
    pub fn needs_once(&self) -> bool {
        self.token.is_some() && self.steps.iter().any(|step| step.once)
    }

    /// Whether who has done these steps is through with it: the step that is written last is done.
    #[inline]
    pub fn is_over(&self, done: u16) -> bool {
        self.steps.last().is_some_and(|last| last.bit & done != 0)
    }
}

impl Step {
    fn new(
        written: &raw::Step,
        before: &[Self],
        path: &Path<'_>,
        routes: &[raw::Route],
    ) -> Result<Self, ConfigError> {
        check_name(&written.name, &path.member("name"))?;
        if before.iter().any(|other| other.name == written.name) {
            return Err(ConfigError::new(path.member("name"), format!("`{}` is taken", written.name)));
        }
        let names: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
        check_routes(&written.routes, &path.member("routes"), &names)?;
        let covers = |step: &&Self, name: &str| step.when.is_none() && step.is_on(name);
        for name in &written.routes {
            if let Some(other) = before.iter().find(|step| covers(step, name)) {
                let fault =
                    format!("every request on `{name}` does the step `{}`, unless that has a `when`", other.name);
                return Err(ConfigError::new(path.member("routes"), fault));
            }
        }
        let step = Self {
            name: written.name.clone(),
            routes: written.routes.clone(),
            when: written
                .when
                .as_ref()
                .map(|text| compiled_plain(Kinds::BOOL, text, &path.member("when"), &written.routes, routes))
                .transpose()?,
            bit: 1_u16.checked_shl(u32::try_from(before.len()).unwrap_or(u32::MAX)).unwrap_or_default(),
            after: predecessors(written.after.as_deref(), before, &path.member("after"))?,
            min_gap: written.min_gap.map(|gap| gap.0).unwrap_or_default(),
            max_gap: written.max_gap.map(|gap| gap.0),
            once: written.once,
            completes: completions(&written.completes, &path.member("completes"))?,
        };
        step.check_gaps(path)?;
        Ok(step)
    }

    fn check_gaps(&self, path: &Path<'_>) -> Result<(), ConfigError> {
        let has_gap = self.min_gap > Millis::default() || self.max_gap.is_some();
        if self.after == 0 && has_gap {
            return Err(ConfigError::new(path, "has a gap and no step before it to measure from"));
        }
        match self.max_gap {
            Some(max) if max <= self.min_gap => {
                Err(ConfigError::new(path.member("max_gap"), "expected more than `min_gap`"))
            }
            _ => Ok(()),
        }
    }

    fn looks_into_body(&self) -> bool {
        self.when.iter().any(|when| IN_BODY.iter().any(|name| when.needs(*name)))
    }

    /// Whether it is done on the route of that name.
    pub(super) fn is_on(&self, route: &str) -> bool {
        self.routes.iter().any(|name| name == route)
    }

    /// Whether a workflow can begin with it.
    pub const fn begins(&self) -> bool {
        self.after == 0
    }

    /// Whether an answer with this status means that it is done.
    #[inline]
    pub fn is_completed_by(&self, status: u16) -> bool {
        self.completes.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

/// The steps that are done on a route: the place of the workflow, and of the step in it.
pub(super) fn on_route(workflows: &[Workflow], route: &str) -> Vec<(usize, usize)> {
    let steps = |(index, workflow): (usize, &Workflow)| {
        let on = workflow.steps.iter().enumerate().filter(|(_, step)| step.is_on(route));
        on.map(|(at, _)| (index, at)).collect::<Vec<_>>()
    };
    workflows.iter().enumerate().flat_map(steps).collect()
}

/// Whether a step on the route needs the body.
pub(super) fn need_body(workflows: &[Workflow], route: &str) -> bool {
    workflows.iter().any(|workflow| workflow.needs_body && workflow.steps.iter().any(|step| step.is_on(route)))
}

/// Who an instance, or a quote, belongs to.
pub(super) fn actor(text: &str, path: &Path<'_>, context: Context<'_>) -> Result<KeyPart, ConfigError> {
    let part = part(text, path, context)?.filter(|part| !matches!(part, KeyPart::Route | KeyPart::Method));
    part.ok_or_else(|| ConfigError::unknown(path, "actor", text, &ACTORS))
}

/// One or more routes, all of them known.
pub(super) fn check_routes(written: &[String], path: &Path<'_>, routes: &[&str]) -> Result<(), ConfigError> {
    if written.is_empty() {
        return Err(ConfigError::new(path, "names no route"));
    }
    for (at, name) in written.iter().enumerate() {
        if !routes.contains(&name.as_str()) {
            return Err(ConfigError::unknown(path.item(at), "route", name, routes));
        }
    }
    Ok(())
}

/// What findings weigh, if the section says so.
pub(super) fn weight(
    effect: Option<Effect>,
    number: Option<f64>,
    path: &Path<'_>,
) -> Result<Option<Weight>, ConfigError> {
    Ok(Some(match (effect, number) {
        (None, None) => return Ok(None),
        (Some(Effect::Note), None) => Weight::Note,
        (Some(Effect::Challenge), None) => Weight::Challenge,
        (Some(Effect::Refuse), None) => Weight::Refuse,
        (None, Some(value)) => Weight::Score(score(value, &path.member("score"))?),
        (Some(_), Some(_)) => {
            return Err(ConfigError::new(path, "has both `effect` and `score`; one of them decides"))
        }
    }))
}

fn predecessors(written: Option<&[String]>, before: &[Step], path: &Path<'_>) -> Result<u16, ConfigError> {
    let Some(written) = written else { return Ok(before.last().map_or(0, |step| step.bit)) };
    written.iter().enumerate().try_fold(0, |set, (at, name)| {
        let known = before.iter().map(|step| step.name.as_str());
        let step = before.iter().find(|step| step.name == *name);
        step.map(|step| set | step.bit).ok_or_else(|| match before {
            [] => ConfigError::new(path.item(at), "no step is written before this one"),
            _ => ConfigError::unknown(path.item(at), "earlier step", name, &known.collect::<Vec<_>>()),
        })
    })
}

/// Ranges of status codes: `2xx`, `303`.
fn completions(written: &[String], path: &Path<'_>) -> Result<Vec<(u16, u16)>, ConfigError> {
    if written.is_empty() {
        return Err(ConfigError::new(path, "expected one or more of `2xx`, `3xx`, `4xx`, `5xx` and status codes"));
    }
    each(written, path, |text, path| {
        let (first, last) = (text.replace("xx", "00"), text.replace("xx", "99"));
        let known = first.len() == 3 && first.bytes().all(|byte| byte.is_ascii_digit());
        let range = first.parse().ok().zip(last.parse().ok());
        range
            .filter(|(from, to)| known && *from >= 200 && *to <= 599)
            .ok_or_else(|| ConfigError::unknown(path, "status", text, &["2xx", "3xx", "4xx", "5xx", "200"]))
    })
}

#[cfg(test)]
mod tests;
