#!/usr/bin/env bash
# The client against nginx: what it makes of a real server, and that the server's own log agrees about
# connections, the requests on each, statuses, bytes and ends. Arguments: LASTBYTE SOURCE_DIR LIVE_CLIENT.
#
# nginx runs in the foreground on loopback, as whoever runs the test, with everything that it writes in a
# folder of the test's own. Skipped where there is no nginx.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
client=$3

PATH=$PATH:/usr/sbin:/sbin
for program in nginx openssl; do
    command -v "$program" >/dev/null || {
        echo "no $program here (on Debian: apt install nginx-light openssl)" >&2
        exit 77
    }
done

# The server ends with the test, however that ends; so that its own workers end, too, it is asked to.
[ "${#tied[@]}" -eq 0 ] || tied=(setpriv --pdeathsig TERM)
server=
end_server() {
    [ -z "$server" ] || {
        kill -"$1" "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    }
}
trap 'end_server TERM; clean_up' EXIT

# pattern SIZE: bytes that say where they stand, a to w again and again.
pattern() {
    { yes abcdefghijklmnopqrstuvw || true; } | tr -d '\n' | head -c "$1"
}

prefix=$scratch/nginx
mkdir -p "$prefix/www/ssi" "$prefix/www/unframed" "$prefix/tmp" "$prefix/uploads"
set +o pipefail # `yes` ends by a signal
pattern 1024 >"$prefix/www/small"
pattern 10485760 >"$prefix/www/large"
set -o pipefail
: >"$prefix/www/empty"
printf '<!--# include virtual="/small?inner" -->' >"$prefix/www/ssi/page.shtml"
cp "$prefix/www/ssi/page.shtml" "$prefix/www/unframed/page.shtml"

# An authority, and a certificate that it has given to this address.
make_certificates() {
    local curve=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    openssl req -x509 "${curve[@]}" -days 2 -subj '/CN=lastbyte test authority' \
        -keyout "$prefix/ca.key" -out "$prefix/ca.pem"
    openssl req "${curve[@]}" -subj '/CN=lastbyte test server' \
        -keyout "$prefix/server.key" -out "$prefix/server.csr"
    printf 'subjectAltName = IP:127.0.0.1\n' >"$prefix/extensions"
    openssl x509 -req -days 2 -in "$prefix/server.csr" -CA "$prefix/ca.pem" -CAkey "$prefix/ca.key" \
        -CAcreateserial -extfile "$prefix/extensions" -out "$prefix/server.pem"
}
make_certificates >"$scratch/openssl" 2>&1 || {
    cat "$scratch/openssl" >&2
    exit 3
}

write_config() {
    local user=''
    [ "$(id -u)" -ne 0 ] || user='user root;' # else its worker could not read this folder
    cat >"$prefix/nginx.conf" <<EOF
daemon off;
$user
worker_processes 1;
worker_shutdown_timeout 60s;
pid nginx.pid;
error_log error.log notice;
events { worker_connections 512; }
http {
    log_format account '\$connection \$connection_requests \$status \$body_bytes_sent '
                       '[\$request_completion] \$request_method \$request_uri';
    access_log access.log account;
    client_body_temp_path tmp/client;
    proxy_temp_path tmp/proxy;
    fastcgi_temp_path tmp/fastcgi;
    uwsgi_temp_path tmp/uwsgi;
    scgi_temp_path tmp/scgi;
    default_type text/plain;
    keepalive_requests 100000;
    client_max_body_size 64m;
    keepalive_timeout 300s;
    reset_timedout_connection off;
    limit_req_zone \$server_port zone=slowly:32k rate=1r/m;
    ssi_types text/plain;
    server {
        listen 127.0.0.1:$port;
        listen 127.0.0.1:$tls_port ssl;
        ssl_certificate server.pem;
        ssl_certificate_key server.key;
        root www;
        location = /none { return 204; }
        location = /mine { return 200 "\$http_x_mine \$http_accept"; }
        location = /moved { return 302 /small; }
        location /ssi/ { ssi on; }
        location /unframed/ { ssi on; chunked_transfer_encoding off; }
        location /few/ { alias www/; keepalive_requests 3; }
        location /gzip/ { alias www/; gzip on; gzip_types text/plain; }
        location /slow/ { alias www/; limit_rate 100k; }
        location /upload/ { alias uploads/; dav_methods PUT; }
        location /strict/ { alias www/; client_max_body_size 1k; }
        location = /echo {
            proxy_pass http://127.0.0.1:$upstream/echo;
            proxy_set_header X-Echo \$request_body;
        }
        location = /delayed { limit_req zone=slowly burst=5; alias www/small; }
        location /proxy/ { proxy_pass http://127.0.0.1:$upstream/; proxy_http_version 1.1; }
    }
    server {
        listen 127.0.0.1:$upstream;
        access_log off;
        root www;
        location /ssi/ { ssi on; }
        location = /echo { return 200 \$http_x_echo; }
    }
}
EOF
}

# is_up PORT: whether somebody listens there.
is_up() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start_server: starts nginx at two free ports; false if it ended at once, the ports having been taken.
start_server() {
    local ports option=()
    mapfile -t ports < <("$client" ports 3)
    port=${ports[0]}
    tls_port=${ports[1]}
    upstream=${ports[2]}
    write_config
    # Older ones have no option for the log of what precedes the configuration.
    if nginx -h 2>&1 | grep -q -- '-e filename'; then
        option=(-e error.log)
    fi
    "${tied[@]}" nginx -p "$prefix" "${option[@]}" -c nginx.conf >"$prefix/out" 2>&1 &
    server=$!
    until is_up "$port" && is_up "$tls_port" && is_up "$upstream"; do
        if ! kill -0 "$server" 2>/dev/null; then
            wait "$server" || true
            server=
            return 1
        fi
        sleep 0.02
    done
}

tries=0
until start_server; do
    tries=$((tries + 1))
    if [ "$tries" -eq 5 ]; then
        cat "$prefix/out" "$prefix/error.log" >&2 || true
        echo "nginx did not start" >&2
        exit 3
    fi
done

# The library.
"$client" talk "$port" "$tls_port" "$prefix/ca.pem" "$scratch/account" || {
    tail -n 20 "$prefix/error.log" >&2
    fail "the conversations did not go as expected"
    finish
}

# The command. Its requests are not in the account: they come after it.
url=http://127.0.0.1:$port
expect 0 "$lastbyte" get --repeat 3 "$url/small"
says '3    200         1024 ended'
says 'reused 2'
says '1 made, 1 closed, 2 of 3 exchanges on a reused one'
expect 0 "$lastbyte" get --repeat 6 --read 10 --no-close --profile "$url/large"
says '6    200           10 open'
says 'profile: 12 workers'
says "6  read   wait.body-end       open body of $url/large"
says '6 made, 6 closed, 0 of 6 exchanges'
expect 0 "$lastbyte" get --repeat 6 --read 10 --profile "$url/large"
says '6    200           10 closed'
says 'profile: 0 workers'
expect 1 "$lastbyte" get --deadline 1s "$url/slow/large"
says 'timeout'
expect 0 "$lastbyte" get --head "$url/large"
says '1    200            0 ended'
expect 0 "$lastbyte" get --output "$scratch/body" "$url/large" "$url/small"
cat "$prefix/www/large" "$prefix/www/small" | cmp -s - "$scratch/body" || fail "--output wrote other bytes"
printf ping >"$scratch/ping"
for how in '' --chunked --expect '--chunked --expect'; do
    # shellcheck disable=SC2086
    expect 0 "$lastbyte" get --repeat 2 --post "$scratch/ping" $how --output "$scratch/body" "$url/echo"
    says 'reused 1'
    [ "$(cat "$scratch/body")" = pingping ] || fail "--post $how: $(cat "$scratch/body")"
done
printf pong | expect 0 "$lastbyte" get --post - --output "$scratch/body" "$url/echo"
[ "$(cat "$scratch/body")" = pong ] || fail "--post -: $(cat "$scratch/body")"
expect 0 "$lastbyte" get --header 'X-Mine:  a b ' --header 'Accept: */*' --output "$scratch/body" "$url/mine"
[ "$(cat "$scratch/body")" = 'a b */*' ] || fail "--header: $(cat "$scratch/body")"
expect 0 "$lastbyte" get --http1.0 --repeat 2 "$url/ssi/page.shtml"
says '2 made, 2 closed'
expect 0 "$lastbyte" get --no-keepalive --repeat 2 "$url/small"
says '2 made, 2 closed'
expect 0 "$lastbyte" get --max-per-host 1 --parallel 4 --repeat 40 "$url/small"
says '1 made, 1 closed, 39 of 40 exchanges on a reused one'
expect 0 "$lastbyte" get --max-idle-per-host 0 --repeat 2 "$url/small"
says '2 made, 2 closed'
expect 0 "$lastbyte" get --drain --read 10 --repeat 3 "$url/small"
says '1 made, 1 closed, 2 of 3 exchanges on a reused one'
expect 0 "$lastbyte" get --output "$scratch/body" "$url/gzip/large"
cmp -s "$prefix/www/large" "$scratch/body" || fail "gzip was not undone"
tls=https://127.0.0.1:$tls_port
expect 1 "$lastbyte" get "$tls/small"
says 'TLS with 127.0.0.1: '
says 'refused'
expect 0 "$lastbyte" get --ca "$prefix/ca.pem" --repeat 2 "$tls/small"
says 'reused 1'
expect 0 "$lastbyte" get --insecure "$tls/small" "$url/small"
says '2 made, 2 closed'
expect 2 "$lastbyte" get --ca "$prefix/www/small" "$tls/small"
says 'holds no certificates'
expect 0 "$lastbyte" get --parallel 4 --repeat 40 "$url/small"
says '40 answered, 0 failed, 40960 bytes'

# Ctrl-C: as soon as there are bytes of a body, its request is in progress.
"${tied[@]}" "$lastbyte" get --output "$scratch/begun" "$url/slow/large" >"$scratch/out" 2>&1 &
asking=$!
until [ -s "$scratch/begun" ]; do
    kill -0 "$asking" 2>/dev/null || break
    sleep 0.02
done
kill -INT "$asking"
code=0
wait "$asking" || code=$?
[ "$code" -eq 130 ] || fail "after SIGINT the exit code was $code"
says 'cancelled'
says 'connections  '

# The server ends in order, so that its log is complete.
end_server QUIT
log=$scratch/log
grep -F '?n=' "$prefix/access.log" >"$log"
expect 0 "$client" judge "$scratch/account" "$log"
says "the server's log agrees"
cat "$scratch/out"

# The judge is seen to notice: each of these is the log with one thing in it made wrong.
notices() {
    local what=$1
    shift
    awk "$@" "$log" >"$scratch/wrong"
    if cmp -s "$log" "$scratch/wrong"; then
        fail "the log has nothing for '$what'"
    fi
    expect 1 "$client" judge "$scratch/account" "$scratch/wrong"
    says "$what"
}
notices 'has no line about it' 'NR != 3'
notices 'two lines about request' '{ print } NR == 3'
notices 'the client does not' '{ print } END { print "9 1 200 1 [OK] GET /small?n=99999" }'
notices 'one connection for the client' 'NR == 3 { $1 = 99999 } { print }'
notices 'not one connection for the client' \
    'NR == 1 { first = $1 } NR > 1 && $2 == 1 { $1 = first } { print }'
notices 'of its connection' 'NR == 3 { $2++ } { print }'
notices 'the server said 206' 'NR == 3 { $3 = 206 } { print }'
notices 'the client left before the head' '$3 == 499 { $3 = 200 } { print }'
notices 'the server sent 1023' 'NR == 3 { $4-- } { print }'
notices 'the server sent 1025' 'NR == 3 { $4++ } { print }'
notices 'the server sent 9' '$5 == "[]" && $3 == 200 { $4 = 9 } { print }'
notices 'not for the server' 'NR == 3 { $5 = "[]" } { print }'
notices 'the server saw its end' '$3 == 200 { $5 = "[OK]" } { print }'
notices "the server's PUT" 'NR == 3 { $6 = "PUT" } { print }'
notices 'a line of another form' 'NR == 3 { $4 = "many" } { print }'
expect 1 "$client" judge /dev/null "$log"
says 'the account is empty'
finish
