package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sallyport/sandbox/sidecar"
	"sallyport/server"
)

// agentFolder looks at one identity folder from the machine of its sidecar.
func (d *doctor) agentFolder(ctx context.Context, dir string) {
	anew := "sallyport agent renew NAME --out " + dir + ", on the machine of the server, writes all files anew"
	about, err := readDescription(dir)
	if err != nil {
		d.failed("folder", err, "")
		return
	}
	files := map[string][]byte{}
	for _, name := range []string{fileCertificate, fileKey, fileCA, fileBundle, fileTruststore} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			d.failed("folder", err, anew)
			return
		}
		files[name] = data
	}
	d.ok("folder", "agent %s", about.ID)
	if info, err := os.Stat(filepath.Join(dir, fileKey)); err == nil && info.Mode().Perm()&0o077 != 0 {
		d.wrong("key", server.StatusFailed, "chmod 600 "+filepath.Join(dir, fileKey), fmt.Sprintf("other users may read it (mode %04o), and act as the agent", info.Mode().Perm()))
	}
	identity, err := sidecar.ParseIdentity(files[fileCertificate], files[fileKey], files[fileCA])
	if err != nil {
		d.failed("certificate", err, anew)
		return
	}
	d.ending("certificate", identity.String(), identity.NotAfter(), time.Hour, anew)
	if bytes.Count(files[fileBundle], []byte("BEGIN CERTIFICATE")) < 2 {
		d.wrong("bundle", server.StatusWarning, "install ca-certificates on the machine of the server, and renew", "it holds Sallyport's authority alone: what is not intercepted is not trusted")
	}
	d.clock(identity.NotBefore())
	if about.Proxy == "" {
		d.wrong("proxy", server.StatusWarning, "start the sidecar with --proxy HOST:PORT", "the folder does not say where the proxy is")
		return
	}
	ctx, cancel := looking(ctx)
	defer cancel()
	if err := sidecar.Probe(ctx, about.Proxy, identity); err != nil {
		d.failed("proxy", err, "see whether the server runs, whether this machine may reach "+about.Proxy+", and `sallyport agent show "+about.ID+"` there")
		return
	}
	d.ok("proxy", "%s accepts this identity", about.Proxy)
}
