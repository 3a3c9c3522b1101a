//! Asks a store's members over HTTP: with a bound on time and size, as whom it was told to, and only ever to read.

use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use shared::report::Trouble;

use super::Failure;
use super::address::Access;

/// Of one call. A member is asked at most four times.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// More of an answer is not read: it is an error then, since half of it would look like all.
const ANSWER_MAX: u64 = 16 << 20;

pub struct Caller {
    agent: ureq::Agent,
    scheme: &'static str,
    token: Option<String>,
    authorization: Option<String>,
}

impl Caller {
    pub fn new(access: &Access) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).max_redirects(0);
        let mut config = config.http_status_as_error(false);
        if let Some(tls) = &access.tls {
            config = config.tls_config(tls.http.clone());
        }
        let basic = |user: &super::address::User| {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", user.name, user.password)))
        };
        Self {
            agent: config.build().into(),
            scheme: if access.tls.is_some() { "https" } else { "http" },
            token: access.token.clone(),
            authorization: access.user.as_ref().map(basic),
        }
    }

    /// Status and body.
    pub fn get(&self, endpoint: &str, path: &str) -> Result<(u16, String), Failure> {
        let unreachable = |error: String| Failure { trouble: Trouble::Unreachable, error };
        let confused = |error: String| Failure { trouble: Trouble::Confused, error };
        let silent =
            || Failure { trouble: Trouble::Silent, error: format!("no answer within {} s", PATIENCE.as_secs()) };
        let mut call = self.agent.get(format!("{}://{endpoint}{path}", self.scheme));
        if let Some(token) = &self.token {
            call = call.header("X-Consul-Token", token);
        }
        if let Some(authorization) = &self.authorization {
            call = call.header("Authorization", authorization);
        }
        let answer = call.call().map_err(|error| match error {
            ureq::Error::Timeout(_) => silent(),
            ureq::Error::Io(error) => unreachable(error.to_string()),
            other => unreachable(other.to_string()),
        })?;
        let status = answer.status().as_u16();
        if let 401 | 403 = status {
            return Err(confused(format!(
                "it refuses access (status {status}): see --cluster-store-token and --cluster-store-user"
            )));
        }
        let mut text = String::new();
        let mut body = answer.into_body().into_reader().take(ANSWER_MAX + 1);
        body.read_to_string(&mut text).map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => silent(),
            std::io::ErrorKind::InvalidData => confused("its answer is no text".into()),
            _ => unreachable(error.to_string()),
        })?;
        if text.len() as u64 > ANSWER_MAX {
            return Err(confused(format!("its answer is longer than {} MiB", ANSWER_MAX >> 20)));
        }
        Ok((status, text))
    }

    pub fn json(&self, endpoint: &str, path: &str) -> Result<(u16, serde_json::Value), Failure> {
        let (status, text) = self.get(endpoint, path)?;
        let value = serde_json::from_str(&text).map_err(|error| Failure {
            trouble: Trouble::Confused,
            error: format!("status {status}, and no JSON: {error}"),
        })?;
        Ok((status, value))
    }
}
