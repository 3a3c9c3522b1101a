use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::Stopped;

/// What a client did that cannot be answered, as JSON: `{"error": …}`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Bad(String),
    #[error("this route does not take this method")]
    Method,
    #[error("{0}")]
    Gone(String),
    #[error("websockets are not opened for pages of '{0}'")]
    Origin(String),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("the answer could not be made: {0}")]
    Broken(String),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Gone(_) => StatusCode::GONE,
            Self::Origin(_) => StatusCode::FORBIDDEN,
            Self::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, axum::Json(json!({ "error": self.to_string() }))).into_response()
    }
}
