//! Debian's nginx, with a configuration of ours in a folder of its own: one worker in one process, no log, nothing else of
//! the system's. It must never touch one that runs already.

use std::{fmt::Write, fs, io, net::TcpListener, path::PathBuf, process::Command};

/// The command that starts it with so many numbered routes, its address, and what holds its files for as long.
pub fn command(routes: usize) -> io::Result<(Command, String, Folder)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let folder = Folder(std::env::temp_dir().join(format!("race-nginx-{}", std::process::id())));
    fs::create_dir_all(folder.0.join("files"))?;
    fs::write(folder.0.join("files/download"), vec![b'x'; 10 << 20])?;
    let file = folder.0.join("nginx.conf");
    fs::write(&file, configuration(&address, routes))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder.0).arg("-e").arg("stderr").arg("-c").arg(&file);
    Ok((command, address, folder))
}

/// Its version, where it is installed.
pub fn version() -> io::Result<String> {
    let output = Command::new("nginx").arg("-v").output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(text.trim().rsplit('/').next().unwrap_or_default().to_owned())
}

/// Files that are removed in the end.
pub struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn configuration(address: &str, count: usize) -> String {
    let mut routes = String::new();
    for number in 0..count {
        _ = writeln!(routes, "location = /r/{number} {{ return 200 'Hello, World!'; }}");
    }
    format!(
        "daemon off; master_process off; worker_processes 1; pid nginx.pid;
events {{ worker_connections 10000; multi_accept on; }}
http {{
    access_log off; server_tokens off; tcp_nodelay on; sendfile on; etag off; max_ranges 0;
    keepalive_timeout 75s; keepalive_requests 1000000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    default_type 'text/plain; charset=utf-8';
    server {{
        listen {address} backlog=4096;
        location = /plaintext {{ return 200 'Hello, World!'; }}
        location = /json {{ default_type application/json; return 200 '{{\"message\":\"Hello, World!\"}}'; }}
        location ~ ^/users/([^/]+)$ {{ return 200 $1; }}
        location = /download {{ root files; }}
        {routes}
    }}
}}
"
    )
}
