# veil.sh SALLYPORT: tries, from a command of run, to get at what it is to be kept
# from, and does what must work all the same. Prints what succeeded.
here=$PWD sallyport=$1
export HOME="$here/user" SALLYPORT_HOME="$here/link" USER=dana
mkdir -p user/work elsewhere && ln -s real-home link && ln -s elsewhere/secret link-to-secret || exit 9
"$sallyport" init >/dev/null || exit 9
printf 'trust_domain: agents.internal\nlisten: 127.0.0.1:0\n' >link/sallyport.yaml
mv link/policies elsewhere/policies && ln -s ../elsewhere/policies link/policies
echo s3cr3t >elsewhere/secret && chmod 600 elsewhere/secret
printf '#!/bin/sh\necho s3cr3t\n' >elsewhere/print && chmod 700 elsewhere/print
printf 'credentials:\n  a: {kind: bearer, secret: {file: %s}, hosts: [a.example.com]}\n  b: {kind: bearer, secret: {exec: [sh, %s]}, hosts: [b.example.com]}\n' "$here/link-to-secret" "$here/elsewhere/print" >link/credentials.yaml
# a server that may less than who starts commands, as a service manager may have it
SERVER_SECRET=x prlimit --rttime=1000000 "$sallyport" serve 2>server.log & server=$!
until test -S link/state/admin.sock; do kill -0 $server || { cat server.log >&2; exit 9; }; sleep 0.02; done
run() { "$sallyport" run --policy example --owner person:dana "$@"; }

# from a folder that is not there any more
mkdir "$here/gone" && cd "$here/gone" && rmdir "$here/gone"
run -- sh -c 'cat ../real-home/state/ca/agent-ca.key >/dev/null && echo can read a key from a folder that was removed' 2>/dev/null
cd "$here/user/work"
run -- sh -c '
	can() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "can $what"; fi; }
	holds() { cat "$1" | grep -q .; }
	can "read a key by its link" holds "$1/link/state/ca/agent-ca.key"
	can "read a key by its real path" holds "$1/real-home/state/ca/agent-ca.key"
	can "read a key by another mount" holds "$1/mounted/state/ca/agent-ca.key"
	can "read a secret file" holds "$1/elsewhere/secret"
	can "read a key by an open folder" holds /proc/self/fd/8/state/ca/agent-ca.key
	can "read a secret that is open" holds /proc/self/fd/9
	can "change a policy" sh -c "echo >>$1/elsewhere/policies/example.yaml"
	can "make a policy" sh -c ">$1/elsewhere/policies/mine.yaml"
	can "put another folder in place of the policies" sh -c "mv $1/elsewhere $1/moved && mv $1/moved $1/elsewhere"
	can "change what the server runs" sh -c "echo >>$1/elsewhere/print"
	for process in '$server' $PPID; do
		can "read a key by the root of another process" holds "/proc/$process/root$1/real-home/state/ca/agent-ca.key"
		can "read the environment of another process" holds /proc/$process/environ
		can "list the files of another process" ls /proc/$process/fd/
	done
	can "take the cover off" umount "$1/real-home"
	can "take the cover off in its own namespaces" unshare -Urm umount "$1/real-home"
	can "go around the cover" unshare -Urm sh -c "mount --bind $1 /mnt && cat /mnt/real-home/state/ca/agent-ca.key"
	can "administer" "$2" --home "$1/real-home" agent list
' sh "$here" "$sallyport" 2>"$here/said" 8<"$here/real-home" 9<"$here/elsewhere/secret"
echo "exit $?"
sed -n 's/.*; this is no sandbox/no sandbox/p' "$here/said" | sed "s#$here#HERE#g; s/ ([^()]*not permitted)//; s/ (this system forbids[^)]*))*/ (forbidden)/"

# however it is detached, and when its run is gone
run -- sh -c '
	(setsid sh -c "sleep 0.1; \"$2\" --home \"$1/real-home\" agent list >/dev/null 2>&1 && echo can administer detached; >\"$1/detached\"" &)
	until test -e "$1/detached"; do sleep 0.02; done
' sh "$here" "$sallyport" 2>/dev/null
run -- sh -c '
	run=$PPID
	setsid sh -c "kill -KILL $run; while kill -0 $run; do sleep 0.02; done; \"$2\" --home \"$1/real-home\" agent list >/dev/null && echo can administer alone; >\"$1/alone\"" 2>/dev/null &
	wait
' sh "$here" "$sallyport" 2>/dev/null
until test -e "$here/detached" && test -e "$here/alone"; do sleep 0.02; done

# what works
run -- sh -c 'exit 7' 2>/dev/null; echo "code $?"
KEPT=kept run --pass KEPT -- sh -c 'echo $KEPT in ${PWD##*/}' 2>/dev/null
run -- sh -c 'git init -q . && git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m x && git log --format=%s' 2>/dev/null
run -- ssh -G host.example.com 2>&1 | grep -E '^port|Bad owner'
run -- sh -c 'i=0; while test $i -lt 20; do (true &); i=$((i+1)); done; i=0; while test $i -lt 500 && ps -o stat= --ppid $PPID | grep -q Z; do sleep 0.02; i=$((i+1)); done; ps -o stat= --ppid $PPID | grep -c Z' 2>/dev/null
script -qec "'$sallyport' run --policy example --owner person:dana -- bash -c 'set -m; sleep 30 & kill -STOP %1; kill %1; kill -CONT %1 2>/dev/null; wait %1; echo job \$?; test -t 0 && echo terminal'" /dev/null 2>&1 | tr -d '\r' | grep -v -e sandbox -e Terminated
cd ../../link/state && run -- sh -c 'echo in $(basename "$(pwd)")' 2>/dev/null
echo "uid $(run -- "$here/id" -u 2>/dev/null)"
cd ..; run --hide-home never -- sh -c 'test -s state/ca/agent-ca.key && echo shown if asked for' 2>/dev/null
run --hide-home always -- echo hidden by a link 2>/dev/null
sed -i s#link-to-secret#elsewhere/secret# ../real-home/credentials.yaml
run --home "$here/real-home" --hide-home always -- echo hidden or not at all 2>/dev/null
script -qec "'$sallyport' run --policy example --owner person:dana -- perl -MErrno=EPERM -e 'ioctl(STDIN, 0x5412, my \$x = q(x)) or exit(\$! == EPERM)' && echo can type into the terminal" /dev/null 2>&1 | tr -d '\r' | grep -o 'can type.*'
run -- sh -c 'mv "$1" "$1.moved" && mv "$1.moved" "$1" && echo can put another folder in place of the home' sh "$here" 2>/dev/null
"$sallyport" audit events --type administration.refused | grep -c 'GET /v1/agents'
kill $server; wait $server
