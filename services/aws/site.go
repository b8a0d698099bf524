package aws

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/host"
	"sallyport/services/aws/api"
	"sallyport/services/aws/sigv4"
)

// site is a host that speaks AWS's protocols: one of AWS's own, or one of somebody else's
// that a credential with keys is bound to.
type site struct {
	name     string         // as the request has it, in lower case
	own      bool           // AWS's
	endpoint sigv4.Endpoint // of AWS's own hosts
	service  string         // what the name says: "iam", "bucket.s3"; "" for the scope alone
	unknown  string         // why nothing can be told of its requests
}

// findSite recognises a host; nil if it is none. stores are what credentials with keys
// are bound to; of those in served a credential says what they are signed for.
func findSite(a host.Authority, stores, served []host.Pattern) *site {
	name := a.Name.String()
	bySaying := slices.ContainsFunc(served, func(p host.Pattern) bool { return p.MatchesName(a.Name) })
	if !sigv4.IsAWS(name) {
		h := findStore(a, stores)
		if h != nil && bySaying {
			h.unknown = "what requests to this host do is not known here" + byHost
		}
		return h
	}
	endpoint, known := sigv4.Locate(name)
	h := &site{name: name, own: true, endpoint: endpoint, service: endpoint.Name}
	switch {
	case !known && bySaying:
		h.unknown = "what requests to this host do is not known here" + byHost
	case !known:
		h.unknown = "the host is in a domain of AWS's, but is none of its services'"
	case a.Port != 443 && (a.Port != neptunePort || !slices.Contains(endpoint.Services, "neptune-db")):
		h.unknown = "AWS is spoken to on port 443 only, and Neptune on 8182"
	}
	return h
}

// neptunePort is where Neptune's clusters listen, beside 443.
const neptunePort = 8182

const byHost = "; a rule about the host can allow it, with a credential only if it says unnamed: allow"

// findStore recognises the host of a store, which may begin with the name of a bucket. It does
// if what follows is listed as a host itself. If only names below it are listed, nobody can say
// whether they begin with a bucket.
func findStore(a host.Authority, stores []host.Pattern) *site {
	var below host.Name
	found := false
	h := &site{name: a.Name.String()}
	for _, p := range stores {
		if !p.Matches(a, 443) {
			continue
		}
		name, isBelow := p.Below()
		if !isBelow {
			return h // the host itself: buckets are in paths
		}
		found, below = true, name
	}
	if !found {
		return nil
	}
	base := host.Authority{Name: below, Port: a.Port}
	for _, p := range stores {
		if name, exact := p.Exact(); exact && name == below && p.Matches(base, 443) {
			h.service = strings.TrimSuffix(h.name, "."+below.String()) + ".s3"
			return h
		}
	}
	h.unknown = "whether the bucket is in the host or in the path cannot be told; list " + below.String() +
		" itself in the credential's hosts beside *." + below.String() + ", or the hosts one by one"
	return h
}

// answersItself reports whether AWS, or the store, writes the answers. At some hosts in AWS's
// domains the programs of its customers do.
func (h *site) answersItself() bool {
	name := h.service[strings.LastIndexByte(h.service, '.')+1:]
	return h.unknown == "" && name != "lambda-url" && name != "execute-api"
}

// request is what a request's line says, and what it is signed for, in the form of package api.
func (h *site) request(method, path, query, service, region string) api.Request {
	r := api.Request{Method: method, Path: path, Query: query, Service: service, Region: region, Host: h.service, Store: !h.own}
	if h.own {
		r.Partition = h.endpoint.Partition
	}
	if region != "" && h.own {
		r.Partition = sigv4.Partition(region)
	}
	return r
}

// scope is the service and region of a request that is not signed, as far as its host says them.
func (h *site) scope() (service, region string, err error) {
	if !h.own {
		return "", "", errors.New("the request is not signed; configure the client with its placeholder keys")
	}
	if len(h.endpoint.Services) != 1 {
		return "", "", fmt.Errorf("the request is not signed, and its host may be that of %s", strings.Join(h.endpoint.Services, " or "))
	}
	if len(h.endpoint.Regions) == 1 {
		region = h.endpoint.Regions[0]
	}
	return h.endpoint.Services[0], region, nil
}
