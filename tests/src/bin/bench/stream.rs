//! A view as browsers follow it.

use std::net::SocketAddr;

use shared::view::SUBPROTOCOL;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Each of its messages is a `StreamDelta` in JSON.
pub async fn follow(app: SocketAddr, topology: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let mut request = format!("ws://{app}/api/topology/{topology}/ws").into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    tokio_tungstenite::connect_async(request).await.expect("a websocket").0
}
