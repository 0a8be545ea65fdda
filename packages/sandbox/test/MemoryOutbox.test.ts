import { OutboxConformance } from "@bulkhead/testing/conformance"
import * as MemoryExecutionStore from "../src/Record/MemoryExecutionStore.js"

OutboxConformance.suite("MemoryOutbox", MemoryExecutionStore.layer())
