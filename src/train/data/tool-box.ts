export interface ToolWorld { readonly time: string }
