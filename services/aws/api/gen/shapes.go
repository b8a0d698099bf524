package main

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// finding is a member of what an operation takes or answers that by its name or its type
// may hold a credential, or decide who may do what.
type finding struct{ side, kind, member string }

func (f finding) String() string { return f.side + "/" + f.kind + "/" + f.member }

// The sides of an operation.
const (
	asks    = "asks"    // its input
	answers = "answers" // its output
)

type shape struct {
	Type      string
	Required  []string
	Members   map[string]memberShape
	Member    memberShape // of a list
	Value     memberShape // of a map
	Sensitive bool
}

type memberShape struct{ Shape, Location, LocationName string }

// The names that speak of credentials. A name that ends as notHeld does is about one and
// holds none: its ARN, its status, when it ends.
var (
	secretName    = regexp.MustCompile(`(?i)secret|passw(or)?d|passphrase|passcode|credential|privatekey|keymaterial|plaintext|accesskey|apikey|presigned|signedur|authcode|authorizationcode|kubeconfig|connectionstring|sharedkey|psk$|cookie|jwt|saml|onetime|otp|streamkey|activationkey|activationcode|hostkey`)
	tokenName     = regexp.MustCompile(`(?i)tokens?$`)
	notHeld       = regexp.MustCompile(`(?i)(arns?|ids?|identifiers?|names?|status|state|types?|date|time|timestamp|at|count|enabled|required|policy|policies|expir\w*|length|limit|version|metadata|tags?|description|prefix|path|location|algorithm|format|days|hours|minutes|seconds|mode|filter\w*|hint|source|provider|ref|reference|rotation\w*|config|configuration|settings?|options?|reason|email|method|scope|fingerprint|hash|digest|region|usage|store|vault|managed|label|order|by)$`)
	pageToken     = regexp.MustCompile(`(?i)^(next|previous|prev|pagination|page|continuation|client|amznclient|clientrequest|request|uniquerequest|hooksrequest|idempotency|idempotent|creation|creator|create|sync|lock|webacllock|change|update|listupdate|policyupdate|sourceupdate|starting|start|last|forward|backward|sequence|uploadsequence|resume|ack|deduplication|version|viewversion|conditional|paging|query|input|output|max|min|total|prompt|completion|reasoning|cached|used|generated|response|number|sharditerator|poll|configuration|latest|initial|concurrency|changeset|set|propagation|data|optimistic|cachewrite|cacheread|thinking|stop|cancel|job|task|event|ingestion|cluster|listening|list|cursor|marker|end|http|message|chunk|cache|writeinput|readinput)*_?(request|forward|backward|input|output|count|read|write|creation)*tokens?$`)
	sensitiveName = regexp.MustCompile(`(?i)key|code|cert|script|url|uri`)
	environment   = regexp.MustCompile(`(?i)^(runtime)?environment(variables?|vars?)?$|^env(vars?)?$|^variables$|^userdata$`)
	policyName    = regexp.MustCompile(`(?i)^policy$|policydocument$|^policies$|policytext$|policybody$|accesspolic(y|ies)$|resourcepolicy$|keypolicy$|policyjson$|^policystring|trustpolicy`)
	principalName = regexp.MustCompile(`(?i)^acl$|grantee|^grant(fullcontrol|read|write)|principal|cannedacl|launchpermission|^sharedwith|shareaccounts?$|^accountidstoadd$|^valuestoadd$|allowedaccounts?$`)
	roleName      = regexp.MustCompile(`(?i)role(arn)?$|roles$|instanceprofile(arn|name)?$`)
)

// findings lists what an operation's shapes hold, sorted.
func (m *model) findings(name string) []finding {
	o := m.Operations[name]
	found := map[finding]bool{}
	for side, of := range map[string]string{asks: o.Input.Shape, answers: o.Output.Shape} {
		w := walk{m: m, side: side, found: found}
		w.shape("", of, nil)
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b finding) int { return cmp.Compare(a.String(), b.String()) })
}

// walk goes through a shape and what it is made of.
type walk struct {
	m     *model
	side  string
	found map[finding]bool
}

func (w *walk) shape(name, id string, above []string) {
	s, ok := w.m.Shapes[id]
	if !ok || slices.Contains(above, id) || len(above) > 9 {
		return
	}
	if environment.MatchString(name) && w.holdsValues(s) {
		w.found[finding{w.side, "environment", name}] = true
	}
	above = append(slices.Clone(above), id)
	switch s.Type {
	case "structure":
		for member, of := range s.Members {
			w.shape(member, of.Shape, above)
		}
	case "list":
		w.shape(name, s.Member.Shape, above)
	case "map":
		w.shape(name, s.Value.Shape, above)
	case "string", "blob":
		for _, kind := range w.kinds(name, s.Sensitive) {
			w.found[finding{w.side, kind, name}] = true
		}
	}
}

// holdsValues reports whether a shape is values by name, or one text.
func (w *walk) holdsValues(s shape) bool {
	switch s.Type {
	case "string", "blob":
		return true
	case "map":
		return w.m.Shapes[s.Value.Shape].Type == "string"
	case "list":
		for member := range w.m.Shapes[s.Member.Shape].Members {
			if strings.EqualFold(member, "value") {
				return true
			}
		}
	}
	return false
}

// kinds are what a member's name and type say of it.
func (w *walk) kinds(name string, sensitive bool) []string {
	var kinds []string
	switch {
	case notHeld.MatchString(name) && !strings.EqualFold(name, "policy") && !strings.EqualFold(name, "policies"):
	case secretName.MatchString(name):
		kinds = append(kinds, "secret")
	case tokenName.MatchString(name) && !pageToken.MatchString(name):
		kinds = append(kinds, "token")
	case sensitive && sensitiveName.MatchString(name):
		kinds = append(kinds, "sensitive")
	}
	if w.side == answers {
		return kinds
	}
	if policyName.MatchString(name) {
		kinds = append(kinds, "policy")
	}
	if principalName.MatchString(name) {
		kinds = append(kinds, "principal")
	}
	if roleName.MatchString(name) {
		kinds = append(kinds, "role")
	}
	return kinds
}

// excuse is a line of reviewed.txt: why some findings are no reason to name an operation
// exactly.
type excuse struct {
	operation, finding, reason string
	used                       bool
}

func parseExcuse(line string) (*excuse, error) {
	text, reason, ok := strings.Cut(line, "#")
	f := strings.Fields(text)
	if !ok || len(f) != 2 || strings.TrimSpace(reason) == "" || strings.Count(f[1], "/") != 2 {
		return nil, fmt.Errorf("reviewed.txt: %q is not OPERATION SIDE/KIND/MEMBER # REASON", line)
	}
	return &excuse{operation: f[0], finding: f[1], reason: strings.TrimSpace(reason)}, nil
}

func (e *excuse) covers(operation string, f finding) bool {
	return glob(e.operation, operation) && foldedGlob(e.finding, f.String())
}

func foldedGlob(pattern, text string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(text))
	return ok && err == nil
}

// judge says why an operation has to be named exactly: what of its findings no line
// explains. reasons are those of the lines that explain the others.
func judge(operation string, findings []finding, excuses []*excuse) (why []finding, reasons []string) {
	for _, f := range findings {
		i := slices.IndexFunc(excuses, func(e *excuse) bool { return e.covers(operation, f) })
		if i < 0 {
			why = append(why, f)
			continue
		}
		excuses[i].used = true
		if !slices.Contains(reasons, excuses[i].reason) {
			reasons = append(reasons, excuses[i].reason)
		}
	}
	return why, reasons
}
