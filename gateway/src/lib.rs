//! Orion, the gateway: views, follows, resolved asset URLs and one stitched GraphQL endpoint.
