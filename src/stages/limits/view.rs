//! A request as expressions see it: each name is looked up when an expression comes to it.
//!
//! A header field, cookie or parameter that is there several times has no value that one could rely on: services differ in which
//! of them they take. So it is there and cannot be read, as is what is not UTF-8.

use crate::config::field::Field;
use crate::config::routes::template;
use crate::config::rules::schema as name;
use crate::expression::{Cause, Missing, Scope, Tag, Value};
use crate::request::body::Body;
use crate::stages::limits::{fields, Scene};
use std::borrow::Cow;

/// A request, for one expression.
pub(in crate::stages) struct View<'a> {
    scene: &'a Scene<'a>,
    outcomes: &'a [Result<Value<'static>, Cause>],
    /// Whether a subject is told with its issuer: alone it is unique with one issuer only (RFC 7519 §4.1.2).
    is_for_keys: bool,
}

impl<'a> View<'a> {
    /// With what the counters say.
    pub(in crate::stages) const fn new(
        scene: &'a Scene<'a>,
        outcomes: &'a [Result<Value<'static>, Cause>],
    ) -> Self {
        Self { scene, outcomes, is_for_keys: false }
    }

    /// For the keys of counters.
    pub(in crate::stages) const fn of_keys(scene: &'a Scene<'a>) -> Self {
        Self { scene, outcomes: &[], is_for_keys: true }
    }

    fn body(&self) -> Result<Value<'_>, Missing> {
        let body = self.scene.body.ok_or(Missing::Unavailable)?;
        if body.fault().is_some() {
            return Err(Missing::Unavailable);
        }
        body.get::<&str>(&[]).map(Value::of_json).ok_or(Missing::Absent)
    }

    /// The first of these fields that is there.
    fn any(&self, among: &[Field]) -> Result<Value<'_>, Missing> {
        let found = among.iter().find_map(|field| fields::text(field, self.scene));
        found.map_or(Err(Missing::Absent), |bytes| text(Cow::Owned(bytes)))
    }

    fn subject(&self) -> Result<Value<'_>, Missing> {
        if self.is_for_keys {
            return fields::subject(self.scene).map_or(Err(Missing::Absent), |bytes| text(Cow::Owned(bytes)));
        }
        self.claim("sub")
    }

    fn claim(&self, wanted: &str) -> Result<Value<'_>, Missing> {
        self.scene.caller.claims().and_then(|claims| claims.get(wanted)).map(Value::of_json).ok_or(Missing::Absent)
    }

    /// `:scheme` is what the client says (RFC 9112 §3.2.2); the other field Envoy writes itself, or has it from a proxy that it trusts.
    fn scheme(&self) -> Result<Value<'_>, Missing> {
        let headers = &self.scene.request.headers;
        match one(headers.all("x-forwarded-proto").map(Cow::Borrowed)) {
            Err(Missing::Absent) => one(headers.all(":scheme").map(Cow::Borrowed)),
            known => known,
        }
    }

    fn operation(&self) -> Result<Value<'_>, Missing> {
        if self.scene.body.is_some_and(|body| body.fault().is_some()) {
            return Err(Missing::Unavailable);
        }
        // A batch has several.
        if fields::is_repeated(&Field::GraphqlOperation, self.scene) {
            return Err(Missing::Unavailable);
        }
        self.any(&[Field::GraphqlOperation])
    }
}

impl Scope for View<'_> {
    fn value(&self, wanted: Tag) -> Result<Value<'_>, Missing> {
        let Scene { request, route, caller, risk, now, .. } = self.scene;
        match wanted {
            name::METHOD => Ok(Value::text(request.method())),
            name::PATH => match &request.path {
                Ok(path) => Ok(Value::text(&path.normal)),
                Err(_) => Err(Missing::Unavailable),
            },
            name::HOST => request.host().map(|host| Value::Text(Cow::Borrowed(host))).ok_or(Missing::Unavailable),
            name::ROUTE => Ok(Value::text(&route.name)),
            name::TIME => Ok(Value::Time(i64::try_from(now.as_u64()).unwrap_or(i64::MAX))),
            name::SCHEME => self.scheme(),
            name::SIZE => {
                let size = self.scene.body.and_then(Body::size).and_then(|bytes| i64::try_from(bytes).ok());
                size.map(Value::Int).ok_or(Missing::Unavailable)
            }
            name::BODY => self.body(),
            name::SUBJECT => self.subject(),
            name::ISSUER if caller.claims().is_some() => Ok(Value::text(caller.issuer())),
            name::CLIENT => self.claim("client_id").or_else(|_| self.claim("azp")),
            name::SOURCE => {
                let source = request.source.as_ref().map(|source| Value::Text(Cow::Owned(source.to_string())));
                source.ok_or(Missing::Absent)
            }
            name::SESSION => self.any(&self.scene.config.actor.session),
            name::DEVICE => self.any(&self.scene.config.actor.device),
            name::ANONYMOUS => Ok(Value::Bool(caller.claims().is_none())),
            name::RISK => Ok(Value::Double(f64::from(*risk) / 1000.0)),
            name::OPERATION => self.operation(),
            _ => Err(Missing::Absent),
        }
    }

    fn entry(&self, table: Tag, key: &str) -> Result<Value<'_>, Missing> {
        let Scene { request, route, .. } = self.scene;
        match table {
            name::HEADERS => {
                let own = request.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(key.as_bytes()));
                one(own.map(|(_, value)| Cow::Borrowed(value)))
            }
            name::COOKIES => one(request.headers.cookies(key).map(|value| Cow::Owned(value.to_vec()))),
            name::QUERY => one(request.parameters(key).map(Cow::Owned)),
            name::PARAMETERS => {
                let path = request.path.as_ref().map_err(|_| Missing::Unavailable)?;
                template::value(&route.template, &path.normal, key).map(Value::text).ok_or(Missing::Absent)
            }
            name::CLAIMS => self.claim(key),
            _ => Err(Missing::Absent),
        }
    }

    fn outcome(&self, call: usize) -> Result<Value<'_>, Cause> {
        self.outcomes.get(call).cloned().unwrap_or(Err(Cause::Absent))
    }
}

/// The only one of some values.
fn one<'v>(values: impl IntoIterator<Item = Cow<'v, [u8]>>) -> Result<Value<'v>, Missing> {
    let mut values = values.into_iter();
    let first = values.next().ok_or(Missing::Absent)?;
    if values.next().is_some() {
        return Err(Missing::Unavailable);
    }
    text(first)
}

fn text(bytes: Cow<'_, [u8]>) -> Result<Value<'_>, Missing> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Value::text).map_err(|_| Missing::Unavailable),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).map(|text| Value::Text(Cow::Owned(text))).map_err(|_| Missing::Unavailable)
        }
    }
}
