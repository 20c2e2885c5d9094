//! The report: tables to read.

use crate::contenders::{BARE, EVERYTHING, LIKE_FOR_LIKE, NATIVE_CACHED};
use crate::latency::{Latencies, Latency};
use crate::ratios::RATIOS;
use crate::results::Results;
use crate::setup::Setup;
use crate::shapes::Shape;
use anyhow::{Error, Result};

/// What a run has shown.
pub(crate) struct Report<'r> {
    pub(crate) setup: &'r Setup,
    pub(crate) results: &'r Results,
    pub(crate) latencies: &'r Latencies,
}

impl Report<'_> {
    /// Prints the tables.
    pub(crate) fn print(&self) -> Result<()> {
        println!(
            "\nEnvoy's own CPU time for one request, in microseconds: medians of {} starts, each the median of {} rounds, each\n\
             of about {} s of CPU; one worker, {} connections, HTTP/1.1\n",
            self.setup.starts,
            self.setup.rounds,
            self.setup.round.as_secs_f64(),
            crate::traffic::CLIENTS
        );
        self.print_contenders()?;
        if !self.setup.only_ratios {
            self.print_shapes()?;
            self.print_latencies();
        }
        self.print_ratios()?;
        println!("\nportcullis.wasm: {} bytes", self.setup.wasm_bytes);
        if !self.setup.only_ratios {
            println!(
                "configuration: {:.0} ms; memory of a further worker: {:.1} MiB",
                self.results.configuration_ms()?,
                self.results.worker_mib()?
            );
        }
        Ok(())
    }

    fn print_contenders(&self) -> Result<()> {
        println!(
            "{:<24} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>6} {:>7}",
            "", "median", "min", "max", "added", "x bare", "x native", "RSS", "start"
        );
        println!("{:<24} {:>31} {:>16} {:>6} {:>7}", "", "", "cached", "MiB", "ms");
        for own in self.results.contenders() {
            let cpu_us = own.cpu_us();
            let shown = |extreme: f64| if cpu_us.count() > 1 { format!("{extreme:.1}") } else { String::new() };
            println!(
                "{:<24} {:>7.1} {:>7} {:>7} {:>7.1} {:>7.2} {:>8.2} {:>6.0} {:>7.0}",
                own.name,
                cpu_us.median(),
                shown(cpu_us.min()),
                shown(cpu_us.max()),
                self.results.added(own)?.median(),
                self.results.to_bare(own)?.median(),
                self.results.to_native_cached(own)?.median(),
                own.each(|start| start.rss_mib).median(),
                own.each(|start| start.live_ms).median(),
            );
        }
        println!();
        for own in self.results.contenders() {
            println!("{:<24} {}", own.name, own.means);
        }
        println!(
            "\nmin, max: the least and the greatest of the starts, where there are several. added: beyond `{BARE}`. x native,\n\
             cached: that, as a multiple of what `{NATIVE_CACHED}` adds. Both are medians of what each round says. RSS:\n\
             after the load. start: until Envoy is live."
        );
        Ok(())
    }

    fn print_shapes(&self) -> Result<()> {
        println!(
            "\nRequests of other shapes: CPU time of the bare Envoy, and what is added to it; an Envoy for each\n"
        );
        println!("{:<30} {:>9} {:>15} {:>14} {:>11}", "", BARE, NATIVE_CACHED, LIKE_FOR_LIKE, EVERYTHING);
        for shape in Shape::ALL {
            let added = |name| Ok::<_, Error>(self.results.added(self.results.find(name, shape)?)?.median());
            println!(
                "{:<30} {:>9.1} {:>15.1} {:>14.1} {:>11.1}",
                shape.name(),
                self.results.find(BARE, shape)?.cpu_us().median(),
                added(NATIVE_CACHED)?,
                added(LIKE_FOR_LIKE)?,
                added(EVERYTHING)?,
            );
        }
        Ok(())
    }

    fn print_latencies(&self) {
        println!("\nLatency at {:.0} requests a second, microseconds\n", self.latencies.rate);
        println!("{:<15} {:>8} {:>8} {:>8}", "", "p50", "p90", "p99");
        for Latency { name, p50, p90, p99 } in self.latencies.all() {
            println!("{name:<15} {p50:>8.0} {p90:>8.0} {p99:>8.0}");
        }
    }

    fn print_ratios(&self) -> Result<()> {
        println!(
            "\nWhat the filter adds: medians over {} starts, the least and the greatest of them\n",
            self.setup.starts
        );
        for ratio in RATIOS {
            println!("{:<14} {} of {}", ratio.own, ratio.starts(self.results)?, ratio.of);
        }
        Ok(())
    }
}
