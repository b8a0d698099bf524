package api

import "strings"

// GitRefusal is an answer that git shows its user, where it shows no other: a line that
// begins with ERR (gitprotocol-pack(5), "Error Packet").
type GitRefusal struct {
	Media  string // of the answer
	before string // the lines before the error
}

// NewGitRefusal is how a request of git's smart HTTP protocol (gitprotocol-http(5)) is refused;
// false for what is none, or a push itself, which has a report. path is as it was sent: what is
// no repository's is told to git, too.
func NewGitRefusal(method, path, query string) (GitRefusal, bool) {
	switch {
	case method == "GET" && strings.HasSuffix(path, "/info/refs"):
		service, ok := strings.CutPrefix(query, "service=")
		if !ok || service != "git-upload-pack" && service != "git-receive-pack" {
			return GitRefusal{}, false
		}
		return GitRefusal{
			Media:  "application/x-" + service + "-advertisement",
			before: string(pktAppend(nil, "# service="+service+"\n")) + "0000",
		}, true
	case method == "POST" && strings.HasSuffix(path, "/git-upload-pack"):
		return GitRefusal{Media: "application/x-git-upload-pack-result"}, true
	}
	return GitRefusal{}, false
}

// maxGitError is more than anybody reads on a terminal.
const maxGitError = 4 << 10

// Body is the answer's body. text is shown on one line.
func (g GitRefusal) Body(text string) []byte {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxGitError {
		text = strings.ToValidUTF8(text[:maxGitError], "")
	}
	return pktAppend([]byte(g.before), "ERR "+text+"\n")
}
