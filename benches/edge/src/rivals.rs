//! nginx and Varnish, configured as somebody who knows them would.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::process::Server;

/// nginx: files by sendfile with descriptors kept open; what is not there by slices of 1 MiB into a
/// cache, one request to the origin at a time for each.
pub fn nginx(dir: &Path, port: u16, origin_port: u16) -> Result<Server> {
    let dir = dir.join("nginx");
    fs::create_dir_all(&dir)?;
    let (here, files) = (dir.display(), dir.with_file_name("static"));
    let files = files.display();
    let config = format!(
        r#"
daemon off; user root; worker_processes 2; worker_rlimit_nofile 65536;
pid {here}/pid; error_log {here}/error.log crit;
events {{ worker_connections 8192; multi_accept on; }}
http {{
  access_log off; default_type application/octet-stream;
  sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 100000000; keepalive_timeout 75s;
  open_file_cache max=1000 inactive=1h; open_file_cache_valid 1h;
  client_body_temp_path {here}/body; proxy_temp_path {here}/temp;
  fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;
  proxy_cache_path {here}/cache levels=1:2 keys_zone=films:64m max_size=20g inactive=1d use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin_port}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096 reuseport;
    location /hot/ {{ alias {files}/; }}
    location ~ ^/cold/(?<object>[0-9]+)$ {{
      slice 1m;
      proxy_cache films; proxy_cache_key $uri$is_args$args$slice_range;
      proxy_cache_valid 200 206 1d;
      # By default it asks the origin again for what has not come after 5 s, and a crowd makes it slow.
      proxy_cache_lock on; proxy_cache_lock_timeout 1m; proxy_cache_lock_age 1m;
      proxy_set_header Range $slice_range;
      proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_pass http://origin/api/v1/files/$object;
    }}
  }}
}}
"#
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, config)?;
    Server::start(Command::new("nginx").arg("-c").arg(&file))
}

/// Varnish in memory, streaming what it fetches.
pub fn varnish(dir: &Path, port: u16, origin_port: u16) -> Result<Server> {
    let dir = dir.join("varnish");
    fs::create_dir_all(&dir)?;
    let vcl = format!(
        r#"
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin_port}"; }}
sub vcl_recv {{ return (hash); }}
# Whatever the load generator calls the host: by default what was warmed under another name is a miss.
sub vcl_hash {{ hash_data(req.url); return (lookup); }}
sub vcl_backend_fetch {{ set bereq.url = regsub(bereq.url, "^/o/([0-9]+).*$", "/api/v1/files/\1"); }}
sub vcl_backend_response {{ set beresp.ttl = 1d; set beresp.do_stream = true; }}
"#
    );
    let file = dir.join("edge.vcl");
    fs::write(&file, vcl)?;
    let mut command = Command::new("varnishd");
    command.arg("-F").arg("-n").arg(&dir).arg("-f").arg(&file);
    command.args(["-a", &format!("127.0.0.1:{port}"), "-s", "malloc,6g"]);
    command.args(["-p", "listen_depth=4096", "-p", "thread_pool_max=4000"]);
    // By default it turns away most of a thousand who come at once.
    command.args(["-p", "thread_pool_min=600", "-p", "thread_queue_limit=2000"]);
    // A client that starts a thousand requests may take longer than 5 s to send the last of them.
    command.args(["-p", "timeout_idle=60"]);
    Server::start(&mut command)
}

/// Refuses a machine without them.
pub fn check_installed() -> Result<()> {
    for (program, flag) in [("nginx", "-v"), ("varnishd", "-V"), ("wrk", "-v")] {
        let found = Command::new(program).arg(flag).output();
        ensure!(
            found.is_ok(),
            "{program} is not installed: start this by benches/edge/run.sh, which installs it"
        );
    }
    Ok(())
}
