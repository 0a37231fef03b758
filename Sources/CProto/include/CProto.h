/* Generated protobuf-c code of proto/; see proto/generate.sh. */
#pragma once
#include "cri-descriptors.h"
#include "host-descriptors.h"
