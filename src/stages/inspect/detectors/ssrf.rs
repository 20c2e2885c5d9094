//! Addresses that a service would fetch for a stranger: server-side request forgery (CWE-918), and redirects to elsewhere
//! (CWE-601).
//!
//! Addresses of networks that are nobody's business, in any notation; hosts that give a machine its credentials; forms that readers
//! of addresses take for another host. An address of a public host is no attack. Not covered: public names that resolve to
//! private addresses.

use super::{check, Detector, CERTAIN, LIKELY, POSSIBLE};
use crate::stages::inspect::phrase::phrase;

/// See the file.
pub static DETECTOR: Detector = Detector {
    check: check(
        "payload.ssrf",
        "payload_ssrf",
        "A value looks like the address of something internal, or one that readers take for different hosts.",
    ),
    hints: "http https :// // stream_wrapper file localhost metadata_host @ \\ \\\\ / [ %",
    phrases: &[
        phrase("credentials of a machine", CERTAIN, &["://", "gap", "metadata_host"]),
        phrase("this machine", CERTAIN, &["://", "opt @word", "opt @", "localhost"]),
        phrase(
            "an address in another notation",
            CERTAIN,
            &["http https stream_wrapper", "://", "opt [", "hex number", "/ : edge"],
        ),
        phrase("an address in another notation", CERTAIN, &["://", "hex number identifier", ".", "hex"]),
        phrase("another protocol", CERTAIN, &["stream_wrapper file", "://"]),
        phrase("two hosts", LIKELY, &["://", "gap", "@ \\ \\\\"]),
        phrase(
            "an address without a protocol",
            LIKELY,
            &["edge", "opt / \\", "// \\\\ / \\", "opt // / \\ %", "@word number"],
        ),
        phrase("an address", POSSIBLE, &["http https", "://"]),
    ],
};
