//! Layers that are mounted, ready for the next sandbox that is bound.

use std::collections::HashMap;
use std::time::Duration;

use common::packages::LockDigest;
use jail::Layer;

use super::build::Refusal;

/// Layers kept mounted without a sandbox that has them.
const MOST: usize = 64;
/// A layer's use is noted on disk no more often than this.
const TOUCH: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct Mounted {
    pub(super) layer: Layer,
    pub(super) bytes: u64,
}

impl Mounted {
    /// A layer that a larger plan had installed may be too large for this one.
    pub(super) fn within(self, most: u64) -> Result<Layer, Refusal> {
        if self.bytes <= most {
            return Ok(self.layer);
        }
        let (takes, most) = (self.bytes.div_ceil(1 << 20), most >> 20);
        Err(Refusal(format!(
            "the packages take {takes} MiB; your plan allows {most}"
        )))
    }
}

#[derive(Debug)]
struct Kept {
    mounted: Mounted,
    used: Duration,
    touched: Duration,
}

/// Times are steady ones.
#[derive(Debug, Default)]
pub(super) struct MountedLayers(HashMap<LockDigest, Kept>);

impl MountedLayers {
    /// The layer, and whether its use should be noted on disk.
    pub(super) fn used(&mut self, digest: LockDigest, now: Duration) -> Option<(Mounted, bool)> {
        let kept = self.0.get_mut(&digest)?;
        kept.used = now;
        let is_due = now.saturating_sub(kept.touched) >= TOUCH;
        if is_due {
            kept.touched = now;
        }
        Some((kept.mounted.clone(), is_due))
    }

    pub(super) fn keep(&mut self, digest: LockDigest, mounted: Mounted, now: Duration) {
        while self.0.len() >= MOST {
            self.drop_longest_unused(|_| true);
        }
        let kept = Kept {
            mounted,
            used: now,
            touched: now,
        };
        self.0.insert(digest, kept);
    }

    /// Unmounts the longest unused one that no sandbox has; `None` where there is none.
    pub(super) fn drop_idle(&mut self) -> Option<LockDigest> {
        self.drop_longest_unused(|kept| !kept.mounted.layer.is_in_use())
    }

    fn drop_longest_unused(&mut self, which: impl Fn(&Kept) -> bool) -> Option<LockDigest> {
        let fit = self.0.iter().filter(|(_, kept)| which(kept));
        let (digest, _) = fit.min_by_key(|(_, kept)| kept.used)?;
        let digest = *digest;
        self.0.remove(&digest);
        Some(digest)
    }
}
