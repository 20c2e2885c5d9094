//! The wasm entry: Envoy's process meets the core.
//!
//! A configuration that does not hold is refused by returning `false`, with its fault in the log: Envoy then does not
//! start, or goes on with the previous configuration. Nothing here depends on anything that could be different the
//! next time, since Envoy remembers a refusal.
//!
//! Several configurations may live in one VM while listeners drain, so nothing is global: each root context owns its
//! engine and its statistics.

mod calls;
mod report;
mod shared;
mod stream;

use self::calls::Level;
use self::report::Report;
use self::shared::SharedData;
use self::stream::Stream;
use crate::config::Config;
use crate::engine::Engine;
use crate::stages::CHECKS;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};
use std::rc::Rc;

/// Time between two heartbeats.
const TICK_MILLIS: u32 = 5000;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// One loaded configuration.
#[derive(Default)]
struct Root {
    loaded: Option<(Engine, Rc<Report>)>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let document = calls::configuration();
        let config = match Config::parse(&document, CHECKS) {
            Ok(config) => config,
            Err(fault) => {
                calls::log(
                    Level::Error,
                    &format!("portcullis: configuration refused: {}", printable(&fault.to_string())),
                );
                return false;
            }
        };
        let report = Report::new(&config);
        calls::log(Level::Info, &format!("portcullis: configuration {} loaded", config.digest));
        let Some(random) = random() else {
            calls::log(Level::Error, "portcullis: configuration refused: the host has no source of randomness");
            return false;
        };
        let engine = Engine::new(config, Box::new(SharedData), random);
        self.loaded = Some((engine, Rc::new(report)));
        // Without ticks there are no heartbeats, which is not worth refusing a configuration for.
        let _ = calls::set_tick_period(TICK_MILLIS);
        true
    }

    fn on_tick(&mut self) {
        if let Some((_, report)) = &self.loaded {
            report.beat();
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let (engine, report) = self.loaded.as_ref()?;
        Some(Box::new(Stream::new(engine.clone(), Rc::clone(report))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// From the host's cryptographic source. Without it nothing that depends on a secret may run.
fn random() -> Option<[u8; 16]> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).is_ok().then_some(random)
}

/// One line without control characters, whatever a configuration contains.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
