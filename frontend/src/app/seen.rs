//! Views that were looked at before: who comes back to one finds it as they left it.

use super::*;
use crate::scene::Camera;

/// Of more, those that were left longest ago are forgotten.
const SEEN_MAX: usize = 8;

/// A view as it was left.
pub(super) struct Seen {
    view: (String, String),
    layout: Layout,
    camera: Option<Camera>,
}

impl Page {
    /// Keeps how the view that was shown until now looked, and gives where nodes of this one stood, if anybody looked at it.
    pub(super) fn leave_for(&self, view: (String, String)) -> Layout {
        let left = self.viewed.try_update_value(|viewed| viewed.replace(view.clone())).flatten();
        let layout = self.layout.try_update_value(std::mem::take).unwrap_or_default();
        let camera = self.camera.try_update_value(Option::take).flatten();
        let back = self.seen.try_update_value(|seen| {
            seen.retain(|seen| Some(&seen.view) != left.as_ref());
            if let Some(view) = left.filter(|_| !layout.positions.is_empty()) {
                seen.push(Seen { view, layout, camera });
            }
            if seen.len() > SEEN_MAX {
                seen.remove(0);
            }
            seen.iter().position(|seen| seen.view == view).map(|at| seen.remove(at))
        });
        let manner = self.route.with_untracked(|route| route.manner);
        match back.flatten().filter(|seen| seen.layout.manner == manner) {
            Some(seen) => {
                self.camera.set_value(seen.camera);
                seen.layout
            }
            None => Layout::default(),
        }
    }

    /// Has the camera show everything from now on.
    pub fn show_all(&self) {
        self.camera.set_value(None);
        self.look();
    }

    /// Has the camera look where somebody had it look, or else show everything.
    pub(super) fn look(&self) {
        self.fit.update(|n| *n += 1);
    }
}
