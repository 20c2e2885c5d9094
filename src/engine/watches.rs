//! What a request is watched for beyond tokens and limits: what it asks for, takes and does, as the stages that look at several
//! requests remember it until it is over.

use crate::stages::anomaly;
use crate::stages::behaviour;
use crate::stages::exposure::volume::Tab;
use crate::stages::objects;
use crate::stages::quotes::Heard;
use crate::stages::workflow::Progress;

/// What is remembered of a request that is watched.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Which things it asks for.
    pub(super) objects: objects::Watch,
    /// What it is compared with, if it is.
    pub(super) anomaly: Option<anomaly::Watch>,
    /// What its response counts under.
    pub(super) tab: Tab,
    /// What it is watched under over several requests.
    pub(super) behaviour: behaviour::Watch,
    /// The steps that it does.
    pub(super) progress: Progress,
    /// The quotes that its answer tells.
    pub(super) heard: Heard,
}

impl Watches {
    /// Whether the length of its response is to be known.
    pub(super) fn wants_bytes(&self) -> bool {
        self.tab.wants_bytes() || self.is_compared()
    }

    /// Whether its status is.
    pub(super) fn wants_status(&self) -> bool {
        let is_watched = self.behaviour.wants_status() || self.objects.wants_status();
        is_watched || self.progress.is_under_way() || self.is_compared()
    }

    /// Whether its answer is to be read.
    pub(super) fn wants_answer(&self) -> bool {
        self.progress.is_under_way() || self.heard.is_listening()
    }

    /// Whether it is compared with others, of which its answer is a part.
    fn is_compared(&self) -> bool {
        self.anomaly.as_ref().is_some_and(anomaly::Watch::wants_answer)
    }
}
