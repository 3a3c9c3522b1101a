//! A picture of the graph that is a little larger than the stage. While the camera moves, the picture is moved and
//! scaled; it is painted anew once that can be done without holding up the moves.

use crate::scene::{Camera, Size};

/// How much larger the picture is than the stage, at each side.
pub const MARGIN: f64 = 0.2;
/// A picture painted within this time needs no sparing.
const CHEAP_MS: f64 = 8.0;
/// And one that took longer than this is noticed by somebody who types.
const DEAR_MS: f64 = 24.0;
/// A hand that types rests when it did nothing for so long.
const SEARCH_RESTS_MS: f64 = 350.0;
/// The camera rests when it did not move for so long.
const RESTS_MS: f64 = 100.0;
/// Of the time while the camera rests, a quarter at most goes into painting; while it moves, a twentieth.
const PAUSE_AT_REST: f64 = 3.0;
const PAUSE_IN_MOTION: f64 = 20.0;
/// Half of it while the pointer goes over things.
const PAUSE_POINTED: f64 = 1.0;

/// A picture that was painted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Painted {
    pub camera: Camera,
    /// Of the stage that it was painted for.
    pub size: Size,
    /// When it was done, and how long that took, milliseconds.
    pub at_ms: f64,
    pub took_ms: f64,
}

/// Whether the picture shows what is, and if not, who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    No,
    /// What the app told changed.
    Told,
    /// Somebody came or went.
    Came,
    /// Somebody points at something else, and will at the next thing soon.
    Pointed,
    /// Somebody did something, and looks for what comes of it.
    Done,
    /// Somebody searches: what is found is marked at once, the rest waits until a hand that types rests.
    Searched,
}

/// When the picture is to be painted anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Due {
    Now,
    InMs(f64),
    Never,
}

impl Painted {
    /// `still_ms` says since when the camera has not moved, `searched_ms` since when nothing else is searched for.
    pub fn due(&self, camera: Camera, size: Size, stale: Stale, still_ms: f64, searched_ms: f64, now_ms: f64) -> Due {
        if self.size != size {
            return Due::Now;
        }
        if self.camera == camera && stale == Stale::No {
            return Due::Never;
        }
        if self.took_ms < CHEAP_MS {
            return Due::Now;
        }
        let since = now_ms - self.at_ms;
        let wait = if still_ms >= RESTS_MS {
            let pause = match stale {
                Stale::No | Stale::Told => PAUSE_AT_REST,
                Stale::Came | Stale::Pointed => PAUSE_POINTED,
                Stale::Done | Stale::Searched => 0.0,
            };
            // Between two letters there is time for what is found, and not for a picture of all.
            let waits = matches!(stale, Stale::Searched | Stale::Told) && self.is_dear();
            let rests = if waits { SEARCH_RESTS_MS - searched_ms } else { 0.0 };
            (self.took_ms * pause - since).max(rests)
        } else if self.is_far_from(camera) {
            self.took_ms * PAUSE_IN_MOTION - since
        } else {
            RESTS_MS - still_ms
        };
        if wait <= 0.0 { Due::Now } else { Due::InMs(wait) }
    }

    /// Whether somebody who types would notice that it is painted.
    pub fn is_dear(&self) -> bool {
        self.took_ms > DEAR_MS
    }

    /// Whether the picture shows too little, or too coarsely, of what the camera sees now.
    fn is_far_from(&self, camera: Camera) -> bool {
        let scale = camera.zoom / self.camera.zoom;
        let reach = |length: f64| length * MARGIN / self.camera.zoom;
        let off = |there: f64, here: f64, length: f64| (there - here).abs() > reach(length);
        !(0.4..=2.5).contains(&scale)
            || off(camera.centre.x, self.camera.centre.x, self.size.width)
            || off(camera.centre.y, self.camera.centre.y, self.size.height)
    }

    /// Of the picture with its margins.
    pub fn sheet_size(size: Size) -> Size {
        // Whole pixels, so that a picture that is not scaled stays sharp.
        let with_margins = |length: f64| length + 2.0 * (length * MARGIN).round();
        Size { width: with_margins(size.width), height: with_margins(size.height) }
    }

    /// Where the picture lies on the stage: left, top, width, height.
    pub fn place(&self, camera: Camera) -> (f64, f64, f64, f64) {
        let sheet = Self::sheet_size(self.size);
        let corner = self.camera.to_world(crate::layout::Point { x: 0.0, y: 0.0 }, sheet);
        let at = camera.to_screen(corner, self.size);
        let scale = camera.zoom / self.camera.zoom;
        if scale == 1.0 {
            return (at.x.round(), at.y.round(), sheet.width, sheet.height);
        }
        (at.x, at.y, sheet.width * scale, sheet.height * scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Point;

    const SIZE: Size = Size { width: 1000.0, height: 500.0 };

    fn camera(x: f64, zoom: f64) -> Camera {
        Camera { centre: Point { x, y: 0.0 }, zoom }
    }

    fn painted(took_ms: f64) -> Painted {
        Painted { camera: camera(0.0, 0.5), size: SIZE, at_ms: 1_000.0, took_ms }
    }

    #[test]
    fn a_picture_lies_where_the_camera_that_painted_it_sees_it() {
        let (x, y, width, height) = painted(50.0).place(camera(0.0, 0.5));
        assert_eq!((x, y, width, height), (-200.0, -100.0, 1400.0, 700.0));
        let (x, .., width, _) = painted(50.0).place(camera(100.0, 1.0));
        assert_eq!((x, width), (-1000.0, 2800.0), "twice as large around the middle, and moved by 100");
    }

    #[test]
    fn what_is_cheap_is_painted_at_once_and_what_does_not_change_never() {
        assert_eq!(painted(5.0).due(camera(1.0, 0.5), SIZE, Stale::No, 0.0, 9_000.0, 1_001.0), Due::Now);
        assert_eq!(painted(5.0).due(camera(0.0, 0.5), SIZE, Stale::Told, 0.0, 9_000.0, 1_001.0), Due::Now);
        assert_eq!(painted(500.0).due(camera(0.0, 0.5), SIZE, Stale::No, 0.0, 9_000.0, 9_001.0), Due::Never);
        let wider = Size { width: 1200.0, ..SIZE };
        assert_eq!(painted(500.0).due(camera(0.0, 0.5), wider, Stale::No, 0.0, 9_000.0, 1_001.0), Due::Now);
    }

    #[test]
    fn a_dear_picture_waits_until_the_camera_rests_or_has_gone_far() {
        let near = camera(100.0, 0.6);
        assert_eq!(painted(40.0).due(near, SIZE, Stale::No, 10.0, 9_000.0, 5_000.0), Due::InMs(RESTS_MS - 10.0));
        assert_eq!(painted(40.0).due(near, SIZE, Stale::No, RESTS_MS, 9_000.0, 5_000.0), Due::Now);
        for far in [camera(500.0, 0.5), camera(0.0, 1.5), camera(0.0, 0.1)] {
            assert_eq!(painted(40.0).due(far, SIZE, Stale::No, 10.0, 9_000.0, 5_000.0), Due::Now, "{far:?}");
            assert!(matches!(painted(40.0).due(far, SIZE, Stale::No, 10.0, 9_000.0, 1_050.0), Due::InMs(_)), "{far:?}");
        }
    }

    #[test]
    fn changes_alone_take_a_quarter_of_the_time_at_most() {
        let still = camera(0.0, 0.5);
        assert_eq!(painted(40.0).due(still, SIZE, Stale::Told, 9_000.0, 9_000.0, 1_020.0), Due::InMs(100.0));
        assert_eq!(painted(40.0).due(still, SIZE, Stale::Told, 9_000.0, 9_000.0, 1_120.0), Due::Now);
    }

    #[test]
    fn who_does_something_sees_it_at_once_and_who_points_soon() {
        let still = camera(0.0, 0.5);
        assert_eq!(painted(40.0).due(still, SIZE, Stale::Done, 9_000.0, 9_000.0, 1_001.0), Due::Now);
        assert_eq!(painted(40.0).due(still, SIZE, Stale::Searched, 9_000.0, 20.0, 1_500.0), Due::InMs(330.0));
        assert_eq!(painted(40.0).due(still, SIZE, Stale::Searched, 9_000.0, 350.0, 1_500.0), Due::Now);
        assert_eq!(painted(20.0).due(still, SIZE, Stale::Searched, 9_000.0, 0.0, 1_500.0), Due::Now, "nobody notices");
        assert_eq!(painted(40.0).due(still, SIZE, Stale::Pointed, 9_000.0, 9_000.0, 1_010.0), Due::InMs(30.0));
    }
}
