//! What a call knows of the connection that it came by.

use tonic::transport::server::Connected;

use crate::transport::{Connection, PeerOfConnection};

impl Connected for Connection {
    /// Found in a request by `extensions().get::<PeerOfConnection>()`.
    type ConnectInfo = PeerOfConnection;

    fn connect_info(&self) -> PeerOfConnection {
        self.peer()
    }
}
