package server

import (
	"sallyport/services"
	"sallyport/services/aws"
	"sallyport/services/github"
	"sallyport/services/llm"
)

// Services is the one list of what policies, credentials and the proxy know as services. Each
// call makes new ones, which have learnt nothing.
func Services() []services.Service {
	return []services.Service{github.New(), aws.New(), llm.New()}
}
