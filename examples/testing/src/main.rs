//! Serves the notes on http://127.0.0.1:8080, or another port by `PORT`.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    trijet::serve(("127.0.0.1", port), trijet_notes::app())?;
    Ok(())
}
