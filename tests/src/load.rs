//! A load that speaks the probes' protocol.
