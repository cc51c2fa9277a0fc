//! The stories of publishing over the server: the same as over a static folder.

use headwater_policy::Class;
use headwater_server::caller::Caller;

use crate::harness::{Server, now};

#[path = "../../../publisher/tests/it/stories.rs"]
mod stories;

macro_rules! over_the_server {
    ($story:ident) => {
        #[tokio::test]
        async fn $story() {
            let server = Server::start().await;
            let publishing = &server.running.services().publishing;
            // The stories make deltas themselves.
            publishing.pause_deltas();
            let destination = publishing.destination(Class::Components, &Caller::server(now()));
            let story = tokio::task::spawn_blocking(move || stories::$story(&destination, now()));
            story.await.unwrap();
            server.stop().await;
        }
    };
}

stories::for_each_story!(over_the_server);
