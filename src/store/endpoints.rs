//! Where Redis may be found, and how to be connected to the primary among them.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisError, Value};

/// How long the answer to one command may take. redis-rs's default of half a second is shorter than
/// a disk's bad moment, and every such timeout is a write of which nobody knows whether it happened.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A peer that has vanished without a word is noticed by TCP within these, not after a quarter hour.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// The servers one of which is the primary.
#[derive(Clone)]
pub(super) struct Endpoints(Vec<Client>);

impl Endpoints {
    pub(super) fn new(urls: &[String]) -> Result<Self, RedisError> {
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(
                TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL),
            )
            .set_user_timeout(USER_TIMEOUT);
        let client = |url: &String| {
            let info = url.as_str().into_connection_info()?.set_tcp_settings(tcp.clone());
            Client::open(info)
        };
        urls.iter().map(client).collect::<Result<_, _>>().map(Self)
    }

    /// A connection to the first server that says it is a primary; otherwise what each said.
    pub(super) async fn connect_to_primary(&self) -> Result<MultiplexedConnection, String> {
        let mut problems = Vec::new();
        for client in &self.0 {
            // The address alone: a URL may hold a password.
            let address = client.get_connection_info().addr().to_string();
            match connect(client).await {
                Ok((connection, role)) if role == PRIMARY => return Ok(connection),
                Ok((_, role)) => problems.push(format!("{address} is a {role}, not a primary")),
                Err(problem) => problems.push(format!("{address}: {problem}")),
            }
        }
        Err(problems.join("; "))
    }
}

/// What ROLE calls a primary.
pub(super) const PRIMARY: &str = "master";

async fn connect(client: &Client) -> Result<(MultiplexedConnection, String), String> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    // The library's own bound covers the socket, not the greeting on it.
    let mut connection = tokio::time::timeout(CONNECT_TIMEOUT + RESPONSE_TIMEOUT, connecting)
        .await
        .map_err(|_| "it does not answer".to_owned())?
        .map_err(|error| describe(&error))?;
    let role = role(&mut connection).await.map_err(|error| describe(&error))?;
    Ok((connection, role))
}

/// What the server says it is.
pub(super) async fn role(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    let answer: Vec<Value> = redis::cmd("ROLE").query_async(connection).await?;
    let word = answer.into_iter().next().unwrap_or(Value::Nil);
    Ok(redis::from_redis_value(word)?)
}

/// An error in words, without what was sent.
pub(super) fn describe(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("{code} {}", error.detail().unwrap_or_default()).trim().to_owned(),
        None => error.to_string(),
    }
}
