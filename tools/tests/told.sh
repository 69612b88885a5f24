#!/usr/bin/env bash
# `lastbyte run` tells a case as a conversation, and a bad one as a table with its departures, its point of
# no return, and the workers left. What it says is compared word by word.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# tells PART CASE [OPTION...]: a part of what `run` says of a case, which the empty lines separate, is what
# stands on standard input, and not wider than 100 columns. Numbers of steps, and how many of what there
# were, are left out: they change with the client.
tells() {
    local part=$1
    shift
    cat >"$scratch/expected"
    "$lastbyte" run "$@" >"$scratch/out" 2>&1 || true
    awk -v part="$part" 'NF == 0 { n++; next } n == part - 1' "$scratch/out" >"$scratch/part"
    [ -z "$(awk 'length($0) > 100' "$scratch/part")" ] || fail "run $*: more than 100 columns"
    sed -E "s|$scratch/||; s/^ {0,5}[0-9]+  /     n  /; s/step [0-9]+/step n/" "$scratch/part" |
        grep -vE '^  (slice|[0-9]+ requests)' >"$scratch/actual"
    diff -u "$scratch/expected" "$scratch/actual" >&2 || fail "run $* tells something else"
}

head='level  HOUSE
spec   LASTBYTE E1
'

cat >"$scratch/cut.case" <<CASE
case   1
title  A cut body is incomplete
$head
host a
  conn 1
    want GET /cut
    | HTTP/1.1 200 OK
    | Transfer-Encoding: chunked
    | Date: then
    |
    chunk fill 300
    pause 200ms
    chunk " world"
    close

client
  get   r1 a /cut  => 200
  read  r1 5       => fill 5
  read  r1 all     => fill 295 " world" error incomplete
  expect conns a   opened=1 closed=1
CASE
tells 1 "$scratch/cut.case" <<'TOLD'
     time  program and client                         servers
        0  get r1 a /cut
             dials a.1
                                                      a.1   GET /cut
                                                      a.1   200 chunked and 1 more
                                                      a.1   chunk fill 300
                                                      a.1   pause 200ms
             => 200
           read r1 5  => fill 5
           read r1 all
    200ms                                             a.1   chunk " world"
                                                      a.1   close
             ends a.1: incomplete
             => fill 295 " world" error incomplete
           expect conns a opened=1 closed=1
TOLD

cat >"$scratch/reuse.case" <<CASE
case   1
title  A cancelled request does not reach the next, which waits for a dial
$head
host a
  conn 1
    want GET /slow
    await go
    reset
  conn *
    serve

client
  get   r1 a /slow &
  poll  r1         => pending
  get   r2 a /ok   => 200
  cancel r1        => ok
  wait  r1         => error cancelled
  read  r2 all     => "ok" end
  advance 1500ms
  signal go
  get   r3 a /ok deadline 3s => 200
  read  r3 all     => "no" end
  close r3
CASE
tells 1 "$scratch/reuse.case" <<'TOLD'
     time  program and client                         servers
        0  get r1 a /slow &
           poll r1
             dials a.1
                                                      a.1   GET /slow
                                                      a.1   await go
             => pending
           get r2 a /ok
             dials a.2
                                                      a.2   serve
                                                      a.2   GET /ok
             => 200
           cancel r1
             ends a.1: cancelled
             => ok
           wait r1  => error cancelled
           read r2 all
             pools a.2
             => "ok" end
     1.5s  advance 1500ms  => ok
           signal go  => ok
           get r3 a /ok deadline 3s
             takes a.2
                                                      a.1   reset
                                                      a.2   GET /ok
             => 200
           read r3 all
             pools a.2
             => "ok" end
             FAIL, expected "no" end
           close r3  => ok
-- every time-out passes --
    91.5s    ends a.2: timeout
TOLD

cat >"$scratch/refused.case" <<CASE
case   1
title  A refused dial fails its request
$head
host a
  conn 1
    refuse

client
  get   r1 a /x    => error refused
CASE
tells 1 "$scratch/refused.case" <<'TOLD'
     time  program and client                         servers
        0  get r1 a /x
             dials a.1
             ends a.1: refused
             => error refused
TOLD

# A departure from the schedule makes the read win: the table marks where.
cat >"$scratch/race.case" <<CASE
case   1
title  A close meets a read
$head
host a
  conn 1
    want GET /
    | HTTP/1.1 200 OK
    | Content-Length: 4
    |
    send "body"

client
  setup get r1 a / => 200
  read  r1 all &
  close r1         => ok
  wait  r1         => error closed
CASE
expect 0 "$lastbyte" run "$scratch/race.case"
expect 1 "$lastbyte" explore "$scratch/race.case"
departures=$(sed -n "s/.*reproduce: .* --departures '\(.*\)'/\1/p" "$scratch/out")
expect 1 "$lastbyte" run "$scratch/race.case" --departures "$departures"
says '*** departure 1: caller(main) stands at caller.step; main has to wait'
tells 2 "$scratch/race.case" --departures 16 <<'TOLD'
  step  caller(main)           server(a.1)            read(a.1)              caller(r1)
     n  setup get r1 a /
     n  request.wait r1
     n  a.1 open
     n  a.1 dial.start
     n  starts dial(a.1)
     n  waits at wait.
        connection
     n                         waits at server.want
     n                         GET /
     n                         200 length 4
     n                         send 38 bytes
     n                         send "body"
     n                         send 4 bytes
     n                         ends
     n                                                read 38 bytes
     n                                                exchange.head 200
     n                                                body.state open
     n                                                wakes caller(main)
     n                                                waits at wait.body-
                                                      end
     n  => 200
     n  read r1 all &
     n  starts caller(r1)
        *** departure 1: caller(main) stands at caller.step; main has to wait
     n                                                                       a.1 read 4 bytes
     n                                                                       a.1 exchange.end r1
     n                                                                       a.1 body.state ended
     n                                                                       end request.end r1
     n                                                                       wakes read(a.1)
     n                                                                       a.1 look: nothing
     n                                                                       a.1 connection.idle
     n                                                                       ends
     n                                                waits at socket.read.
                                                      first
     n  close r1
     n  => ok
     n  wait r1
     n  => "body" end FAIL,
        expected error closed
     n  ends
        -- every time-out passes --
TOLD

# A body that is lost holds its connection: who was left, since when, and why.
cat >"$scratch/dropped.case" <<CASE
case   1
title  A dropped body leaves no workers
$head
host a
  conn 1
    want GET /x
    | HTTP/1.1 200 OK
    | Content-Length: 10
    |
    send "hello"

client
  get   r1 a /x  => 200
  read  r1 3     => "hel"
  drop  r1       => ok
  expect workers read=0 write=0
CASE
tells 3 "$scratch/dropped.case" <<'TOLD'
FAIL   dropped: A dropped body leaves no workers
  dropped.case:18:
    expected  expect workers read=0 write=0
    actual    expect workers read=1 write=1
      17 |   drop  r1       => ok
  >   18 |   expect workers read=0 write=0
  workers left at the end of the program:
    write(a.1)  orphaned, lives until-destroy
      parked at      wait.request
      would wake on  a request for a.1; its end
      nobody left    the handle of r1 was dropped; read(a.1) is orphaned itself; a.1 is not idle,
                     the pool does not own it
      turned orphan  step n, caller(main): drop r1 => ok
      created by     dial(a.1) <- caller(main) <- world
    read(a.1)  orphaned, lives until-destroy
      parked at      wait.body-end
      would wake on  read to the end, close or cancel of r1; death of a.1
      nobody left    the handle of r1 was dropped; a.1 is not idle, the pool does not own it
      turned orphan  step n, caller(main): drop r1 => ok
      holds          socket a.1
      created by     dial(a.1) <- caller(main) <- world
TOLD
tells 2 "$scratch/dropped.case" <<'TOLD'
  step  caller(main)           server(a.1)            write(a.1)             read(a.1)
     n  get r1 a /x
     n  request.wait r1
     n  a.1 open
     n  a.1 dial.start
     n  starts dial(a.1)
     n  waits at wait.
        connection
     n                         waits at server.want
     n                                                write 28 bytes
     n                                                wakes server(a.1)
     n                                                exchange.written ok
     n                                                waits at wait.request
     n                         GET /x
     n                         200 length 10
     n                         send 39 bytes
     n                         send "hello"
     n                         send 5 bytes
     n                         ends
     n                                                                       read 39 bytes
     n                                                                       exchange.head 200
     n                                                                       body.state open
     n                                                                       wakes caller(main)
     n                                                                       waits at wait.body-
                                                                             end
     n  => 200
     n  read r1 3
     n  a.1 read 5 bytes
     n  => "hel"
     n  drop r1
     n  => ok
        ^^^ point of no return: from here nobody can wake write(a.1) read(a.1)
     n  expect workers read=0
        write=0
     n  waits at caller.quiet
     n  goes on
     n  => read=1 write=1
        FAIL, expected read=0
        write=0
     n  ends
        -- every time-out passes --
TOLD

# `check` and `replay` say it in short.
for command in check replay; do
    expect 1 "$lastbyte" "$command" "$scratch/dropped.case"
    says '  workers left at the end of the program:'
    says '    read(a.1) orphaned, until-destroy: waits at wait.body-end for read to the end, close or cancel of r1'
    says '      since step '
done

# The same body, held: its caller could still close it.
sed '/drop /d' "$scratch/dropped.case" >"$scratch/held.case"
expect 1 "$lastbyte" run "$scratch/held.case"
says '    read(a.1)  hostage to caller, lives until-destroy'
says '    write(a.1)  hostage to caller, through read(a.1), lives until-destroy'

# With a deadline, only time is waited for; an idle connection is the pool's, and nobody's leak.
sed 's|/x  => 200|/x deadline 1s => 200|' "$scratch/dropped.case" >"$scratch/late.case"
expect 1 "$lastbyte" run "$scratch/late.case"
says '    read(a.1)  hostage to time, lives until-timeout'
sed '/drop /d; s|read  r1 3     => "hel"|read r1 all|; s/Length: 10/Length: 5/' "$scratch/dropped.case" \
    >"$scratch/idle.case"
expect 1 "$lastbyte" run "$scratch/idle.case"
says 'FAIL, expected read=0 write=0'
grep -q 'workers left' "$scratch/out" && fail "idle workers are no leak"

# The trace of every event, and the table of a run that is good.
expect 0 "$lastbyte" run "$scratch/refused.case" --trace
says '0.000000ms  caller(main)     a.1 dial.start'
expect 0 "$lastbyte" run "$scratch/refused.case" --table
says '  step  caller(main)'
finish
