package main_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What each command says of a value that it cannot mean: the flag, the value, and what to write.
func TestValuesThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	folder := newAgent(t, home, "builder")
	for line, want := range map[string]string{
		"init --trust-domain Agents": `--trust-domain: trust domain "Agents": use lower-case letters, digits and . _ -, without scheme, port or path`,
		"serve --log-format xml":     `--log-format "xml" is not text or json`,
		"serve --log-level loud":     `--log-level "loud" is not debug, info, warn or error`,
		"serve --drain -1s":          `--drain and --drain-after cannot be less than 0`,
		"serve --drain soon":         `--drain "soon" is not a duration, as 30s, 24h or 7d`,
		"serve --take-over=perhaps":  `--take-over "perhaps" is not true or false`,
		"agent create --policy example --owner person:dana --ttl 1w":        `--ttl "1w" is not a duration, as 30s, 24h or 7d`,
		"agent list --tz Nowhere":                                           `--tz "Nowhere" is not a time zone: write it as Europe/Berlin, UTC or Local`,
		"agent create --policy example":                                     `required flag(s) "owner" not set`,
		"agent revoke-certificate":                                          `sallyport agent revoke-certificate takes one SERIAL, got 0 arguments`,
		"agent renew builder":                                               `required flag(s) "out" not set`,
		"policy explain --policy example a b":                               `one URL is asked about at a time`,
		"policy explain --policy example a.b":                               `"a.b" is not an absolute URL; write https://host/path`,
		"policy explain https://a.example/":                                 `required flag(s) "policy" not set`,
		"policy check --agents x.yaml":                                      `--agents goes with a whole home, not with single files`,
		"policy new":                                                        "give a NAME and --from TEMPLATE; `sallyport policy new --list` shows the templates",
		"policy new a b --from github":                                      "give a NAME and --from TEMPLATE; `sallyport policy new --list` shows the templates",
		"policy new --list a":                                               "give a NAME and --from TEMPLATE; `sallyport policy new --list` shows the templates",
		"credential add a":                                                  `required flag(s) "kind" not set`,
		"credential add a --kind bearer --set region":                       `--set takes KEY=VALUE on one line, for example --set region=eu-west-1`,
		"credential add a --kind bearer --set =x":                           `--set takes KEY=VALUE on one line, for example --set region=eu-west-1`,
		"credential add a --kind bearer --set secret=x":                     `--set secret: give --secret SOURCE`,
		"credential add a --kind bearer --set private_key=x":                `--set private_key: a secret is never written into the file; give env:NAME, file:PATH or exec:COMMAND`,
		"credential add a --kind bearer --secret s3cret":                    `--secret: a secret is never written into the file; give env:NAME, file:PATH or exec:COMMAND`,
		"credential add a --kind bearer --secret env:":                      `--secret: a secret is never written into the file; give env:NAME, file:PATH or exec:COMMAND`,
		"credential add a --kind bearer --secret vault:x":                   `--secret: a secret is never written into the file; give env:NAME, file:PATH or exec:COMMAND`,
		"credential add a --kind bearer --secret - --host a.example":        `--secret -: standard input is empty`,
		"audit list --decision maybe":                                       `--decision "maybe" is not allow, deny or ask`,
		"audit list --outcome fine":                                         `--outcome "fine" is not one of completed,`,
		"audit list --status 42":                                            `--status 42 is not an HTTP status`,
		"audit list --status ok":                                            `--status "ok" is not a whole number`,
		"audit list --text ab":                                              `--text "ab" is too short to look for: write 3 characters at least`,
		"audit list --limit -1":                                             `--limit must not be negative`,
		"audit list --before -1":                                            `--before "-1" is not a whole number from 0 on`,
		"audit list --since soon":                                           `--since "soon" is not a time: write 2h or 1d for that long ago, yesterday, 2026-01-31, "2026-01-31 09:00" or 2026-01-31T09:00:00Z`,
		"audit list --until -2h":                                            `--until "-2h" is not a time`,
		"audit list --owner person:eve":                                     `--owner "person:eve": neither the trail nor the files in force know an owner of that name`,
		"audit list --accountable person:eve":                               `--accountable "person:eve": neither the trail nor the files in force know a person of that name`,
		"audit list --policy exampl":                                        `--policy "exampl": neither the trail nor the files in force know a policy of that name`,
		"audit list --credential x":                                         `--credential "x": neither the trail nor the files in force know any name of that kind`,
		"audit show builder":                                                `"builder" is not the id of an exchange, which is a UUID`,
		"audit stats --by colour":                                           `--by "colour" is not one of agent, owner,`,
		"audit events --limit -1":                                           `--limit must not be negative`,
		"audit export":                                                      `required flag(s) "format" not set`,
		"audit export --format xml":                                         `--format "xml" is not jsonl, csv, ocsf or sqlite`,
		"audit export --format sqlite":                                      `--format sqlite is a file: give --out`,
		"audit export --format csv --only rows":                             `--only "rows" is not exchanges or events`,
		"audit prune --before 2999-01-01":                                   `--before must be a time that has passed`,
		"audit archive --before 2999-01-01 --out x":                         `--before must be a time that has passed`,
		"audit prove x":                                                     `"x" is neither the id of an exchange nor the sequence number of an event`,
		"audit prove 1 --outcome":                                           `"1" is neither the id of an exchange nor the sequence number of an event`,
		"audit whodid":                                                      `give either a value or --event FILE`,
		"audit whodid x --event y":                                          `give either a value or --event FILE`,
		"audit whodid x --limit 0":                                          `--limit must be 1 or more`,
		"audit whodid x --since soon":                                       `--since "soon" is not a time`,
		"audit policy --at 2999-01-01":                                      `--at and --diff must be times that have passed: nobody knows what will be in force`,
		"audit ship --to nowhere":                                           `--to is no address; write otlp+https://HOST, syslog+tls://HOST or https://HOST/PATH`,
		"audit ship --to https://a:b@c.example/":                            `--to holds a name or a password; name where they are with --authorization`,
		"audit ship --to http://c.example/":                                 `--to c.example is another machine, and everybody on the way could read the trail; use TLS, or say --cleartext`,
		"audit ship --to ftp://c.example/":                                  `--to ftp:// is not otlp+https, otlp+http, syslog+tls, syslog+tcp, https or http`,
		"audit ship --to https://c.example/ --format csv":                   `--format "csv" is not jsonl or ocsf`,
		"audit ship --to otlp+https://c.example/ --format ocsf":             `--format is for lines and syslog; OTLP has its own form`,
		"audit ship --to syslog+tls://c.example --authorization env:USER":   `syslog knows no --authorization; use --cert and --key`,
		"audit ship --to https://c.example/ --cert a":                       `--cert and --key belong together`,
		"audit ship --to https://c.example/ --authorization s3cret":         `--authorization is env:NAME or file:PATH, never the value itself`,
		"env --format xml --identity " + folder:                             `unknown format "xml": use shell, dotenv or json`,
		"env --proxy %zz --identity " + folder:                              `the proxy URL cannot be parsed: write it as http://agent:PASSWORD@HOST:PORT`,
		"env --sidecar a --proxy b":                                         `if any flags in the group [sidecar proxy] are set none of the others can be`,
		"backup " + filepath.Join(home, "copy"):                             filepath.Join(home, "copy") + ` is inside HOME; a backup belongs elsewhere, best on another machine`,
		"backup x --recipient nobody":                                       `--recipient: `,
		"backup x --with-keys --recipient y":                                `if any flags in the group [recipient with-keys] are set none of the others can be`,
		"run --policy example --owner person:dana":                          `put -- and then the command after the flags: sallyport run --policy P --owner O -- CMD ARG...`,
		"run --policy example --owner person:dana --pass A=B -- true":       `--pass "A=B": give the name of a variable; its value is taken from this environment`,
		"run --policy example --owner person:dana --read /x -- true":        `--read is about a jail: give --jail, too`,
		"run --policy example --owner person:dana --write /x -- true":       `--write is about a jail: give --jail, too`,
		"run --policy example --owner person:dana --nested -- true":         `--nested is about a jail: give --jail, too`,
		"run --policy example --owner person:dana --user-home odd -- true":  `--user-home "odd" is not keep or fresh`,
		"run --policy example --owner person:dana --hide-home odd -- true":  `--hide-home "odd" is not auto, always or never`,
		"run --policy example --owner person:dana --jail --no-jail -- true": `if any flags in the group [jail no-jail] are set none of the others can be`,
		"completion tcsh":                                                   `unknown command "tcsh" for "sallyport completion"; there is bash, fish, powershell, zsh`,
	} {
		got := typeLine(t, home, strings.Fields(line)...)
		assert.Equal(t, 2, got.code, "%s\n%s", line, got.err)
		assert.Empty(t, got.out, line)
		first, _, _ := strings.Cut(got.err, "\n")
		assert.True(t, strings.HasPrefix(first, "sallyport: "+want), "%s\n%s", line, first)
		assert.NotContains(t, got.err, "s3cret", line)
		assert.Contains(t, got.err, "\nhint: ", line)
	}
}

// What makes sense and cannot be done is code 1, and changes nothing.
func TestWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	folder := newAgent(t, home, "builder")
	none := filepath.Join(t.TempDir(), "none")
	for line, want := range map[string]string{
		"init --trust-domain other.example":                                            `trust_domain: is already agents.internal, not other.example`,
		"agent create --policy nope --owner person:dana --out " + none:                 `unknown policy "nope"`,
		"agent create --policy example --owner team:web --out " + none:                 `team:web`,
		"agent create --policy example --owner dana --out " + none:                     `owner "dana"`,
		"agent create --policy example --owner person:dana --ttl -1h --out " + none:    `ttl`,
		"agent create --policy example --owner person:dana --name Upper --out " + none: `create agent: name "Upper"`,
		"agent create --policy example --owner person:dana --out " + folder:            folder,
		"agent create --policy example --owner person:dana --out /dev/null":            `/dev/null is not a folder`,
		"agent show nobody": `unknown agent "nobody"`,
		"agent suspend 0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b":                          `unknown agent 0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b`,
		"agent resume builder":                                                        `it is not suspended, so there is nothing to resume`,
		"agent renew nobody --out " + none:                                            `unknown agent "nobody"`,
		"agent revoke-certificate 0":                                                  `0`,
		"policy explain --policy nope https://a.example/":                             `unknown policy "nope"`,
		"policy check " + none:                                                        `no such file or directory`,
		"policy new example --from github":                                            `the template uses credential`,
		"policy new fresh --from nope":                                                `unknown template "nope"`,
		"credential check nope":                                                       `unknown credential "nope"`,
		"credential add a --kind bearrer --secret env:A --host a.example":             `bearrer`,
		"credential add a --kind bearer --secret env:A":                               `hosts`,
		"audit show 0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b":                             `not in the trail: 0198c5f2`,
		"audit prove 4711":                                                            `4711`,
		"audit check-proof " + none + " --key x":                                      `read proof: `,
		"audit check-proof " + filepath.Join(folder, "agent.json") + " --key " + none: `read public key: `,
		"audit verify --checkpoint " + none:                                           `no such file or directory`,
		"audit policy --at 2000-01-01":                                                `the trail knows of no configuration that was in force at 2000-01-01T00:00:00Z`,
		"audit whodid nobody":                                                         `the trail names nobody`,
		"audit whodid --event " + none:                                                `no such file or directory`,
		"audit export --format csv --after 999":                                       `--after 999: the trail ends `,
		"audit export --format csv --out " + filepath.Join(folder, "agent.json"):      `agent.json is there already`,
		"env --identity " + none:                                                      `agent.json: no such file`,
		"restore " + none:                                                             none,
		"doctor --agent " + none:                                                      ``,
		"reload":                                                                      `no server is running`,
		"man /dev/null/x":                                                             `make folder: mkdir /dev/null: `,
	} {
		got := typeLine(t, home, strings.Fields(line)...)
		assert.Equal(t, 1, got.code, "%s\n%s", line, got.err)
		assert.Contains(t, got.err, want, line)
		if want != "" {
			assert.Regexp(t, `(?m)^sallyport: `, got.err, line)
		}
	}
	assert.NoDirExists(t, none)
	var agents []struct{ Name, Status string }
	typeLine(t, home, "agent", "list", "-o", "json").into(t, &agents)
	assert.Equal(t, []struct{ Name, Status string }{{"builder", "active"}}, agents)
}
