"""The reference application that the sandbox deploys: one program with the roles api, web and worker."""
