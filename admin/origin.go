package admin

import (
	"net"
	"os"
)

// origin is the person behind the user that a command runs as, as far as sudo and the kernel's
// record of the login tell.
type origin struct {
	LoginUID *int   // of the session that the process descends from, as the kernel keeps it; nil if it has none
	SudoUser string // as sudo told the process, which could have told otherwise; "" if it did not
}

// onSocket is the principal at the other end of conn.
func onSocket(uid int, conn *net.UnixConn) Principal {
	return Principal{UID: uid, User: userName(uid), Via: "socket", origin: originOf(conn), barred: barred(conn)}
}

// payload adds what is known to an event.
func (o origin) payload(m map[string]any) {
	if o.LoginUID != nil {
		m["login_uid"] = *o.LoginUID
		if name := userName(*o.LoginUID); name != "" {
			m["login_user"] = name
		}
	}
	if o.SudoUser != "" {
		m["sudo_user"] = o.SudoUser
	}
}

func ownOrigin() origin { return originOfProcess(os.Getpid()) }
