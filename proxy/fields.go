package proxy

import (
	"net/http"
	"slices"
	"strings"

	"sallyport/internal/authfield"
)

// fate is what becomes of a request field that some servers read as more than a field:
// the request is refused, or the field does not leave.
type fate struct {
	dropped bool
	second  pathForm // it names a second path, which is judged too
	as      string   // what servers take it for
}

// What servers take a field for.
const (
	asMethod  = "another method than the one that was judged"
	asFields  = "other fields than those that were judged"
	asPath    = "another path than the one that was judged"
	asSource  = "a second path, which no rule has judged: copy by way of the agent"
	asAccount = "another account than the one that was judged"
	asHost    = "another host than the one that was judged"
	asScheme  = "another scheme or port than the request's"
	asClient  = "the address of a client, which it is for a proxy in front of a server to say"
	asProxy   = "the word of a proxy in front of the server"
)

// secondReadings is the one table of request fields by which some server takes a request
// for another one. What an agent can only mean as a disguise refuses the request, with the
// reason; what a proxy in its sandbox may have added in good faith ends here; what names a
// second path is judged with the first (secondpath.go), under no other spelling.
var secondReadings = map[string]fate{
	// Frameworks (Rails, Laravel, ASP.NET, Google's and Microsoft's APIs).
	"X-Http-Method-Override": {as: asMethod},
	"X-Http-Method":          {as: asMethod},
	"X-Method-Override":      {as: asMethod},
	"X-Original-Method":      {as: asMethod},
	"X-Request-Method":       {as: asMethod},

	// IIS, Symfony, Zend; Envoy and nginx, which trust what they wrote themselves; WSGI.
	"X-Original-Url":        {as: asPath},
	"X-Original-Uri":        {as: asPath},
	"X-Rewrite-Url":         {as: asPath},
	"X-Override-Url":        {as: asPath},
	"X-Request-Uri":         {as: asPath},
	"X-Replaced-Path":       {as: asPath},
	"X-Http-Path-Override":  {as: asPath},
	"X-Envoy-Original-Path": {as: asPath},
	"X-Script-Name":         {as: asPath},
	"Script-Name":           {as: asPath},
	"Path-Info":             {as: asPath},
	// IIS, Azure, Next.js and those who host it; the last leaves out its own checks.
	"X-Ms-Original-Url":       {as: asPath},
	"X-Waws-Unencoded-Url":    {as: asPath},
	"X-Invoke-Path":           {as: asPath},
	"X-Matched-Path":          {as: asPath},
	"X-Middleware-Subrequest": {as: asProxy},
	// OpenStack, Azure, Google and those who follow S3: what is copied, moved or linked.
	"X-Copy-From":             {second: byContainer, as: asSource},
	"X-Symlink-Target":        {as: asSource},
	"X-Object-Manifest":       {as: asSource},
	"X-Ms-Copy-Source":        {second: byURL, as: asSource},
	"X-Ms-Rename-Source":      {second: byPath, as: asSource},
	"X-Ms-File-Rename-Source": {second: byURL, as: asSource},
	"X-Goog-Copy-Source":      {second: byBucket, as: asSource},
	"X-Oss-Copy-Source":       {second: byBucket, as: asSource},
	"X-Cos-Copy-Source":       {second: byHost, as: asSource},
	"X-Bce-Copy-Source":       {second: byBucket, as: asSource},
	"X-Amz-Copy-Source":       {second: byBucket, as: asSource},
	"X-Obs-Copy-Source":       {second: byBucket, as: asSource},
	"X-Tos-Copy-Source":       {second: byBucket, as: asSource},
	"X-Amz-Rename-Source":     {second: byOperation, as: asSource},
	// OpenStack: of which account that is.
	"X-Copy-From-Account":      {as: asAccount},
	"X-Symlink-Target-Account": {as: asAccount},
	"Destination-Account":      {as: asAccount},

	"X-Http-Host-Override":  {as: asHost},
	"X-Envoy-Original-Host": {as: asHost},
	"X-Sendfile-Type":       {as: asProxy}, // Rack: which file is sent
	"X-Accel-Mapping":       {as: asProxy},

	// RFC 7239, its forerunner, and what content networks call the same. X-Forwarded-
	// stands for every name that begins so.
	"Forwarded":                {dropped: true, as: asHost},
	forwardedPrefix:            {dropped: true, as: asHost},
	"X-Original-Host":          {dropped: true, as: asHost},
	"X-Host":                   {dropped: true, as: asHost},
	"X-Original-Proto":         {dropped: true, as: asScheme},
	"X-Original-Scheme":        {dropped: true, as: asScheme},
	"X-Url-Scheme":             {dropped: true, as: asScheme},
	"X-Scheme":                 {dropped: true, as: asScheme},
	"Front-End-Https":          {dropped: true, as: asScheme},
	"X-Original-Forwarded-For": {dropped: true, as: asClient},
	"X-Real-Ip":                {dropped: true, as: asClient},
	"X-Client-Ip":              {dropped: true, as: asClient},
	"X-Cluster-Client-Ip":      {dropped: true, as: asClient},
	"X-Remote-Ip":              {dropped: true, as: asClient},
	"X-Remote-Addr":            {dropped: true, as: asClient},
	"X-Originating-Ip":         {dropped: true, as: asClient},
	"X-Envoy-External-Address": {dropped: true, as: asClient},
	"Client-Ip":                {dropped: true, as: asClient},
	"True-Client-Ip":           {dropped: true, as: asClient},
	"Cf-Connecting-Ip":         {dropped: true, as: asClient},
	"Cf-Connecting-Ipv6":       {dropped: true, as: asClient},
	"Fastly-Client-Ip":         {dropped: true, as: asClient},
	// CGI hands it to programs as HTTP_PROXY, through which they then send.
	"Proxy": {dropped: true, as: asProxy},
}

const forwardedPrefix = "X-Forwarded-"

// decisive are the fields by which a request is framed, sent or judged here. Under a name
// that CGI and its heirs take for one of these, none leaves.
var decisive = []string{
	"Host", "Content-Length", "Content-Type", "Content-Encoding", "Expect", "Destination", "Smithy-Protocol", "Git-Protocol",
}

// fateOf looks a field up by the name that it may be taken for.
func fateOf(name string) (f fate, found bool) {
	plain := authfield.FoldHeader(name)
	if f, found = secondReadings[plain]; found {
		return f, true
	}
	if strings.HasPrefix(plain, forwardedPrefix) {
		return secondReadings[forwardedPrefix], true
	}
	if namesSource(plain) {
		return fate{as: asSource}, true
	}
	if plain != name && (slices.Contains(decisive, plain) || slices.Contains(hopByHop, plain) || decidesAtAWS(plain)) {
		return fate{as: plain}, true
	}
	return fate{}, false
}

// namesSource reports whether a field is called as clouds call what is copied, moved or linked.
// Those whose form is known are in the table.
func namesSource(plain string) bool {
	if !strings.HasPrefix(plain, "X-") || strings.Contains(plain, "-Meta-") {
		return false
	}
	return slices.ContainsFunc([]string{"-Copy-Source", "-Move-Source", "-Rename-Source", "-Symlink-Target"}, func(end string) bool {
		return strings.HasSuffix(plain, end)
	})
}

// decidesAtAWS: metadata of objects decides nothing, and has underscores.
func decidesAtAWS(plain string) bool {
	return strings.HasPrefix(plain, "X-Amz-") && !strings.HasPrefix(plain, "X-Amz-Meta-")
}

// checkFields refuses what some server reads as another request, and takes out what does
// not leave.
func (l *locating) checkFields() *refusal {
	var dropped []string
	for name, values := range l.r.Header {
		f, found := fateOf(name)
		switch {
		case found && f.second != 0 && name == authfield.FoldHeader(name):
			l.target.sources = append(l.target.sources, name)
		case found && !f.dropped:
			return malformedRequest.because("The field " + shownName(name) + " is refused, since some servers take it for " + f.as + ".")
		case found && l.auth.Header(name):
			// Says who asks, which its rule may let through.
		case found:
			delete(l.r.Header, name)
			dropped = append(dropped, shownName(name))
		case l.r.ProtoMajor == 2 && slices.ContainsFunc(values, hasOuterSpace):
			return malformedRequest.because("The field " + shownName(name) + " begins or ends with white space, which HTTP/2 forbids (RFC 9113 section 8.2.1).")
		}
	}
	for name := range l.r.Trailer {
		if f, found := fateOf(name); found && !f.dropped {
			return malformedRequest.because("The trailer " + shownName(name) + " is refused, since some servers take it for " + f.as + ".")
		}
	}
	if len(dropped) > 0 {
		slices.Sort(dropped)
		l.target.dropped = dropped[:min(len(dropped), maxDropped)]
	}
	return l.checkExpect()
}

// maxDropped bounds the names in a row; there are not many more.
const maxDropped = 30

func anyOf(names []string) []any {
	all := make([]any, len(names))
	for i, name := range names {
		all[i] = name
	}
	return all
}

// shownName bounds what is told of a field's name.
func shownName(name string) string {
	return name[:min(len(name), 64)]
}

func hasOuterSpace(value string) bool {
	return value != "" && strings.Trim(value, " \t") != value
}

// checkExpect lets through the one expectation that there is (RFC 9110 section 10.1.1).
// Servers differ about any other, and about one for a body that does not come.
func (l *locating) checkExpect() *refusal {
	switch expect := l.r.Header["Expect"]; {
	case len(expect) == 0:
		return nil
	case len(expect) > 1 || !strings.EqualFold(expect[0], "100-continue"):
		f := malformedRequest.because("The only expectation that is let through is Expect: 100-continue.")
		f.status = http.StatusExpectationFailed
		return f
	case l.r.Body == http.NoBody:
		delete(l.r.Header, "Expect")
	}
	return nil
}

// overridingParameters name the method in the query of a POST for some frameworks, as
// authfield.Fold writes them.
var overridingParameters = []string{"-method", "x-http-method-override", "x-http-method", "x-method-override"}

// everOverriding do so whatever the method is: of Google's APIs, which also take fields
// there, and of ServiceStack and its like.
var everOverriding = []string{"$httpmethod", "$httpheaders", "-httpmethod"}

// checkQuery refuses a query that some servers read as another method, and bytes that
// would end the request line or have no one reading.
func (l *locating) checkQuery() *refusal {
	raw := l.target.rawQuery
	if strings.ContainsFunc(raw, isUnfit) {
		return malformedRequest.because("The query holds a space, a control character or a byte beyond ASCII; percent-encode it.")
	}
	for raw != "" {
		end := strings.IndexAny(raw, "&;")
		if end < 0 {
			end = len(raw)
		}
		name, _, _ := strings.Cut(raw[:end], "=")
		raw = raw[min(end+1, len(raw)):]
		as := asMethod
		folded, found := authfield.SameParameter(name, everOverriding...)
		if !found && l.r.Method == http.MethodPost { // of no other method do they make another
			_, found = authfield.SameParameter(name, overridingParameters...)
		}
		if !found {
			continue
		}
		if folded == "$httpheaders" {
			as = asFields
		}
		return malformedRequest.because("The parameter " + shownName(name) + " is refused, since some servers take it for " + as + ": send the method and the fields themselves.")
	}
	return nil
}

// checkMethod sees that the method is one, and one that may leave. Some servers take
// methods in any case.
func (l *locating) checkMethod() *refusal {
	if !isToken(l.r.Method) {
		return malformedRequest.because("The method is not a token.")
	}
	switch strings.ToUpper(l.r.Method) {
	case http.MethodConnect:
		return malformedRequest.because("CONNECT inside a tunnel is refused: open another tunnel.")
	case http.MethodTrace:
		return malformedRequest.because("TRACE is refused, since it would show the credential.")
	case methodWebSocket, methodSPDY:
		return malformedRequest.because(strings.ToUpper(l.r.Method) + " is not a method: it stands for an upgrade, in policies.")
	case "COPY", "MOVE":
		return l.target.checkDestination(l.r)
	}
	return nil
}
